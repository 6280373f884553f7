import base64
import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from serving import (
    CUT,
    client_of,
    devices_of,
    encoded,
    expected,
    filled,
    mask,
    picture,
    refused,
    sentence_of,
    text,
)
from swapfill.evaluation.methods import classical
from swapfill.evaluation.methods.interface import Wanted
from swapfill.images import Photograph, read_hole
from swapfill.lots import Turns


@pytest.fixture(scope="module")
def client(tiny_bundle: Path) -> Iterator[TestClient]:
    with client_of(devices_of(tiny_bundle), pixels=20_000, upload_bytes=200_000) as client:
        yield client


# What is right


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_a_picture_comes_back_in_its_format_as_the_library_fills_it(
    client: TestClient, tiny_bundle: Path, form: str
) -> None:
    sent = picture(form)
    answer = filled(client, sent, mask())
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == f"image/{form.lower()}"
    assert answer.content == expected(tiny_bundle, sent, mask())
    with Image.open(io.BytesIO(answer.content)) as found:
        assert found.format == form


def test_options_are_the_librarys(client: TestClient, tiny_bundle: Path) -> None:
    options = {"grow": 3, "feather": 4, "invert": False, "refine": 1, "matching": "literal"}
    answer = filled(client, picture(), mask(), **options, seed=7)
    assert answer.content == expected(tiny_bundle, picture(), mask(), **options, seed=7)
    assert answer.content != expected(tiny_bundle, picture(), mask())


def test_quality_is_that_of_the_file(client: TestClient) -> None:
    small, large = (filled(client, picture("JPEG"), mask(), quality=q) for q in (20, 95))
    assert len(small.content) < len(large.content) / 2


def test_json_asks_and_answers_the_same(client: TestClient, tiny_bundle: Path) -> None:
    body = {"picture": text(picture()), "mask": text(mask()), "grow": 2}
    answer = client.post("/v1/inpaint", json=body, headers={"Accept": "application/json"})
    told = answer.json()
    content = base64.b64decode(told.pop("picture"))
    assert content == expected(tiny_bundle, picture(), mask(), grow=2)
    assert told.pop("seconds") > 0
    hole = int(read_hole(mask(), (80, 96)).sum())
    kind = {"media_type": "image/png", "size": [80, 96], "hole_pixels": hole, "windows": 1}
    assert told == kind | {"model": "tiny", "engine": "onnx"}


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "image/png"),
        ("application/json", "application/json"),
        ("image/png, application/json;q=0.9", "image/png"),
        ("image/*;q=0.5, application/json", "application/json"),
        ("text/html, application/json;q=nonsense", "image/png"),
    ],
)
def test_accept_chooses_between_picture_and_json(
    client: TestClient, accept: str, kind: str
) -> None:
    files = {"picture": picture(), "mask": mask()}
    answer = client.post("/v1/inpaint", files=files, headers={"Accept": accept})
    assert answer.headers["content-type"] == kind


def test_without_a_mask_what_is_transparent_is_filled_and_opaque(
    client: TestClient, tiny_bundle: Path
) -> None:
    pixels = np.full((80, 96, 4), 200, np.uint8)
    pixels[..., 0] = np.arange(96)
    pixels[..., 3] = 255
    pixels[30:50, 40:60, 3] = 0
    sent = encoded(pixels, "PNG")
    answer = filled(client, sent, None)
    assert answer.content == expected(tiny_bundle, sent, None)
    with Image.open(io.BytesIO(answer.content)) as found:
        assert np.asarray(found)[..., 3].min() == 255


@pytest.mark.parametrize("name", ["telea", "navier-stokes", "mean"])
def test_a_classical_method_does_what_evaluate_has_it_do(client: TestClient, name: str) -> None:
    answer = filled(client, picture(), mask(), method=name)
    method = next(m for m in vars(classical).values() if getattr(m, "name", "") == name)
    pixels = Photograph.from_bytes(picture()).rgb
    hole = read_hole(mask(), (80, 96))
    black = np.where(hole[..., None], 0, pixels).astype(np.uint8)
    wanted = method.load(Wanted(name))(black, hole)
    found = Photograph.from_bytes(answer.content).rgb
    np.testing.assert_array_equal(found[hole], wanted[hole])
    np.testing.assert_array_equal(found[~hole], pixels[~hole])


def test_the_models_are_told_with_methods_and_limits(client: TestClient) -> None:
    told = client.get("/v1/models").json()
    assert [model["name"] for model in told["models"]] == ["tiny"]
    assert told["models"][0]["devices"] == ["cpu"]
    assert told["models"][0]["settings"]["matching"] == "coherent"
    assert {method["name"] for method in told["methods"]} == {"telea", "navier-stokes", "mean"}
    assert told["limits"] == {"upload_bytes": 200_000, "pixels": 20_000, "styles": 8}
    assert told["style"] is True


def test_many_at_once_get_each_what_they_would_get_alone(
    client: TestClient, tiny_bundle: Path
) -> None:
    sizes = [(60 + 17 * i, 150 - 9 * i) for i in range(8)]
    options: list[dict[str, Any]] = [{}, {"grow": 2}, {"matching": "literal"}, {"feather": 3}]

    def ask(i: int) -> bytes:
        answer = filled(client, picture("PNG", sizes[i], i), mask(sizes[i]), **options[i % 4])
        return bytes(answer.content)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(ask, range(8)))
    for i, one in enumerate(found):
        photo, hole = picture("PNG", sizes[i], i), mask(sizes[i])
        assert one == expected(tiny_bundle, photo, hole, **options[i % 4])


# What is wrong: a 4xx each, and the server goes on

BOMB = encoded(np.zeros((9000, 9000), np.uint8), "PNG")


@pytest.mark.parametrize(
    ("files", "data", "status", "kind", "word"),
    [
        ({"picture": CUT, "mask": mask()}, {}, 422, "picture", "picture: is damaged or cut short"),
        ({"picture": picture(), "mask": mask()[:-30]}, {}, 422, "mask", "mask: is damaged"),
        (
            {"picture": BOMB, "mask": mask()},
            {},
            413,
            "too-large",
            "9000 x 9000 = 81,000,000 pixels",
        ),
        ({"picture": picture(), "mask": BOMB}, {}, 413, "too-large", "mask: has 9000 x 9000"),
        ({"picture": b"%PDF-1.7", "mask": mask()}, {}, 422, "picture", "is not a picture"),
        ({"picture": b"", "mask": mask()}, {}, 422, "picture", "picture: is empty"),
        ({"picture": picture(), "mask": mask((95, 80))}, {}, 422, "mask", "--fit-mask"),
        ({"mask": mask()}, {}, 422, "settings", "picture is missing, want a picture file"),
        ({"picture": picture()}, {}, 422, "mask", "has no alpha channel"),
        ({"picture": picture(), "grow": b"3"}, {}, 422, "settings", "grow is a file"),
        ({"picture": picture()}, {"mask": "x"}, 422, "settings", "mask is a value"),
        ({"picture": picture()}, {"grow": "wide"}, 422, "settings", "grow is 'wide'"),
        ({"picture": picture()}, {"grow": "9999"}, 422, "settings", "grow is '9999'"),
        ({"picture": picture()}, {"grew": "1"}, 422, "settings", "grew is not a setting"),
        ({"picture": picture()}, {"grow": ["1", "2"]}, 422, "settings", "more than once"),
        ({"picture": picture()}, {"quality": "101"}, 422, "settings", "quality"),
        ({"picture": picture()}, {"model": "/etc/passwd"}, 422, "settings", "want one of tiny"),
        ({"picture": picture()}, {"method": "biharmonic"}, 422, "settings", "telea"),
        ({"picture": picture()}, {"model": "x" * 5000}, 400, "malformed", "4KB"),
        ({"picture": picture(), "style": picture()}, {}, 422, "settings", "want none"),
        ({"picture": b"\xff" * 200_001}, {}, 413, "too-large", "200,000"),
    ],
)
def test_a_bad_form_is_refused_in_one_line_and_the_server_goes_on(
    client: TestClient, files: Any, data: Any, status: int, kind: str, word: str
) -> None:
    refused(client.post("/v1/inpaint", files=files, data=data), status, kind, word)
    assert filled(client, picture(), mask()).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        (b"{", 400, "the JSON cannot be read"),
        (b"[]", 400, "the JSON is a list, want an object"),
        (b"[" * 100_000, 400, "the JSON cannot be read"),
        (b'{"picture": "\xff"}', 400, "the JSON cannot be read"),
        (b"{}", 422, "picture is missing"),
        (b'{"picture": 5}', 422, "picture is a int, want a picture file in base64"),
        (b'{"picture": "*"}', 422, "picture is no base64"),
        (b'{"picture": "aaaa", "grow": "3"}', 422, "grow is '3'"),
        (b'{"picture": "aaaa", "model": "' + b"x" * 100_000 + b'"}', 422, "model is 'xxx"),
        (b'{"picture": "aaaa", "style": "aaaa"}', 422, "style is a str, want a list"),
    ],
)
def test_bad_json_is_refused_in_one_line(
    client: TestClient, body: bytes, status: int, word: str
) -> None:
    sent = {"Content-Type": "application/json"}
    answer = client.post("/v1/inpaint", content=body, headers=sent)
    refused(answer, status, "malformed" if status == 400 else "settings", word)
    assert len(answer.content) < 1000


@pytest.mark.parametrize(
    ("content_type", "status", "kind"),
    [
        ("text/plain", 415, "media-type"),
        ("application/x-www-form-urlencoded", 415, "media-type"),
        ("multipart/form-data", 400, "malformed"),
        ("multipart/form-data; boundary=there", 400, "malformed"),
    ],
)
def test_a_body_of_another_type_is_refused(
    client: TestClient, content_type: str, status: int, kind: str
) -> None:
    answer = client.post("/v1/inpaint", content=b"--x", headers={"Content-Type": content_type})
    refused(answer, status, kind)


def test_the_sentence_is_the_command_lines(client: TestClient) -> None:
    small = mask((10, 12))
    for photo, hole in ((CUT, mask()), (b"what", mask()), (picture(), small), (picture(), b"x")):
        answer = filled(client, photo, hole)
        assert answer.json()["detail"] == sentence_of(photo, hole)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/jobs/nobody", 404),
        ("GET", "/v1/jobs/nobody/result", 404),
        ("DELETE", "/v1/jobs/nobody", 404),
        ("GET", "/v1/inpaint", 405),
        ("PUT", "/v1/jobs", 405),
    ],
)
def test_what_is_not_there_is_a_problem_too(
    client: TestClient, method: str, path: str, status: int
) -> None:
    kind = "not-found" if status == 404 else "method-not-allowed"
    refused(client.request(method, path), status, kind)


# Style


def test_style_is_the_librarys(client: TestClient, tiny_bundle: Path) -> None:
    from swapfill.style import Stylist

    styles = [picture("PNG", (64, 70), 5), picture("PNG", (80, 66), 6)]
    files = [("picture", picture()), ("mask", mask()), *(("style", style) for style in styles)]
    data = {"strength": "0.8", "weights": ["1", "3"], "keep_colours": "true"}
    answer = client.post("/v1/style", files=files, data=data)
    assert answer.status_code == 200, answer.text
    painter = Stylist.load(
        tiny_bundle, device="cpu", precision="fp32", strength=0.8, keep_colours=True
    )
    photo = Photograph.from_bytes(picture())
    wanted = painter.stylize_photograph(
        photo,
        [Photograph.from_bytes(style) for style in styles],
        weights=[1, 3],
        where=read_hole(mask(), photo.size),
    )
    assert answer.content == wanted.to_bytes() != picture()
    body = json.loads(json.dumps(data)) | {
        "picture": text(picture()),
        "mask": text(mask()),
        "style": [text(style) for style in styles],
        "strength": 0.8,
        "weights": [1, 3],
        "keep_colours": True,
    }
    assert client.post("/v1/style", json=body).content == answer.content


def test_a_style_lets_fills_pass_before_each_tile_and_after_the_last(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[Turns] = []
    monkeypatch.setattr(Turns, "give_way", lambda turns: passed.append(turns))
    files = [("picture", picture()), ("style", picture("PNG", (64, 70), 5))]
    sent = {"Accept": "application/json"}
    told = client.post("/v1/style", files=files, headers=sent).json()
    assert len(passed) == told["windows"] + 1 > 1


@pytest.mark.parametrize(
    ("count", "data", "word"),
    [
        (0, {}, "style is given 0 times, want 1 to 8 picture files"),
        (9, {}, "style is given 9 times"),
        (1, {"strength": "2"}, "strength is '2'"),
        (2, {"weights": "1"}, "there are 1 weights for 2 styles"),
        (1, {"weights": "0"}, "not all 0"),
    ],
)
def test_a_bad_style_is_refused(
    client: TestClient, count: int, data: dict[str, str], word: str
) -> None:
    files = [("picture", picture()), *(("style", picture()) for _ in range(count))]
    refused(client.post("/v1/style", files=files, data=data), 422, "settings", word)
