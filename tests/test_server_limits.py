import io
import json
import logging
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from pydantic import ValidationError

from swapfill.errors import ConfigError, ImageError
from swapfill.formats import FORMATS, extent
from swapfill.server.limits import check_extent
from swapfill.server.logs import JsonLines, request_id, tell_fault
from swapfill.server.problems import KINDS, ProblemError, problem_of
from swapfill.server.settings import ServeSettings


def written(form: str, shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    pixels = Image.fromarray(np.zeros(shape, np.uint8))
    (pixels.convert("P") if form == "GIF" else pixels).save(file, form)
    return file.getvalue()


def tiff(*shapes: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for shape in shapes:
            planar = {"photometric": "minisblack", "planarconfig": "contig"}
            writer.write(np.zeros(shape, np.uint8), compression="zlib", **planar)  # type: ignore[arg-type]
    return file.getvalue()


@pytest.mark.parametrize("form", FORMATS)
def test_the_extent_is_read_from_the_header_of_every_format(form: str) -> None:
    found = extent(written(form, (20, 30, 3)), "picture")
    assert (found.width, found.height) == (30, 20)
    assert found.samples == (1 if form == "GIF" else 3)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "GIF"])
def test_nothing_is_decoded_to_read_it(form: str) -> None:
    whole = written(form, (200, 300, 3))
    assert extent(whole[: len(whole) // 2], "picture")[:2] == (300, 200)


def test_a_tiffs_thumbnail_or_second_page_does_not_hide_the_large_one() -> None:
    assert extent(tiff((8, 8), (90, 80)), "picture")[:2] == (80, 90)


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"II*\0", b"RIFF\0\0\0\0WEBP"]
)
def test_what_has_no_header_is_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(ImageError, match=r"^picture: [^\n]*$"):
        extent(content, "picture")


@pytest.mark.parametrize(("pixels", "fits"), [(600, True), (599, False)])
def test_a_picture_may_have_so_many_pixels_and_no_more(pixels: int, fits: bool) -> None:
    content = written("PNG", (20, 30, 3))
    if fits:
        check_extent(content, "mask", pixels)
    else:
        with pytest.raises(ProblemError, match="mask: has 30 x 20 = 600 pixels of 3 samples") as e:
            check_extent(content, "mask", pixels)
        assert e.value.status == 413


def test_a_pixel_of_many_samples_counts_as_many() -> None:
    check_extent(tiff((20, 30, 4)), "picture", 600)
    with pytest.raises(ProblemError, match="of 40 samples"):
        check_extent(tiff((20, 30, 40)), "picture", 5_999)
    check_extent(tiff((20, 30, 40)), "picture", 6_000)


# Problems, settings and logs


def test_a_sentence_that_quotes_much_is_cut_in_its_middle() -> None:
    problem = ProblemError("settings", "model " + "x" * 10_000 + " is not there")
    assert len(problem.detail) < 420
    assert problem.detail.startswith("model xxx")
    assert problem.detail.endswith("xxx is not there")


@pytest.mark.parametrize("kind", KINDS)
def test_each_problem_has_a_document_with_its_status(kind: str) -> None:
    answer = ProblemError(kind, "why", {"Retry-After": "3"}).response("an-id")
    told = json.loads(bytes(answer.body))
    assert (answer.status_code, told["status"]) == (KINDS[kind][0],) * 2
    assert (told["detail"], told["title"]) == ("why", KINDS[kind][1])
    assert answer.headers["retry-after"] == "3"


def test_of_a_fault_a_client_learns_nothing() -> None:
    assert "secret" not in problem_of(ZeroDivisionError("secret")).detail
    assert problem_of(MemoryError("secret")).status == 503


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"models": ()}, "want one or more"),
        ({"devices": ()}, "want one or more"),
        ({"held_bytes": 1}, "want at least upload_bytes"),
        ({"token": ""}, "the token is empty"),
        ({"ports": 1}, "ports is not a setting"),
    ],
)
def test_settings_that_cannot_be_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ServeSettings.read(values, "serve")


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        ServeSettings().port = 1


def test_a_line_of_the_log_is_one_json_object(caplog: pytest.LogCaptureFixture) -> None:
    token = request_id.set("an-id")
    try:
        with caplog.at_level(logging.INFO, "swapfill.server"):
            tell_fault(ValueError("two\nlines"))
        line = JsonLines().format(caplog.records[0])
    finally:
        request_id.reset(token)
    assert "\n" not in line
    told = json.loads(line)
    assert (told["event"], told["level"], told["request_id"]) == ("fault", "error", "an-id")
    assert "two\nlines" in told["fault"]
    assert told["time"].endswith("Z")
