"""What shows a picture that a browser cannot show: a TIFF, for one."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms
from starlette.testclient import TestClient

from serving import Gate, client_of, devices_of, encoded, mask, picture, until

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
RAMP = np.linspace(0, 255, 96 * 80 * 3).astype(np.uint8).reshape(80, 96, 3)


@pytest.fixture(scope="module")
def client(tiny_bundle: Path) -> Iterator[TestClient]:
    with client_of(devices_of(tiny_bundle), pixels=20_000, upload_bytes=200_000) as client:
        yield client


def tiff(pixels: NDArray[Any], **options: Any) -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(pixels, **options)
    return file.getvalue()


def preview(client: TestClient, data: bytes) -> tuple[str, Image.Image]:
    """Give the format that the answer has, and is said to have, and its picture."""
    answer = client.post("/v1/preview", files={"picture": data})
    assert answer.status_code == 200, answer.text
    shown = Image.open(io.BytesIO(answer.content))
    assert answer.headers["content-type"] == f"image/{str(shown.format).lower()}"
    return str(shown.format), shown


@pytest.mark.parametrize(
    "pixels",
    [RAMP, RAMP.astype(np.uint16) * 257, RAMP.astype(np.float32) / 255],
    ids=["8", "16", "float"],
)
def test_a_tiff_of_any_depth_is_shown_in_8_bits_at_its_size(
    client: TestClient, pixels: NDArray[Any]
) -> None:
    form, shown = preview(client, tiff(pixels, photometric="rgb"))
    assert (form, shown.mode, shown.size) == ("JPEG", "RGB", (96, 80))
    assert np.abs(np.asarray(shown).astype(int) - RAMP).max() <= 6


def test_what_is_transparent_stays_so_and_is_not_darker_for_it(client: TestClient) -> None:
    alpha = np.full((80, 96), 255, np.uint8)
    alpha[:40] = 51
    colour = np.full((80, 96, 3), 200, np.uint8)
    plain = np.dstack([colour, alpha])
    multiplied = np.dstack([colour * (alpha[..., None] / 255), alpha]).astype(np.uint8)
    for pixels, kind in ((plain, "unassalpha"), (multiplied, "assocalpha")):
        data = tiff(pixels, photometric="rgb", extrasamples=[kind])
        form, shown = preview(client, data)
        assert (form, shown.mode) == ("PNG", "RGBA")
        assert (np.asarray(shown)[..., 3] == alpha).all()
        assert np.abs(np.asarray(shown)[..., :3].astype(int) - 200).max() <= 3


def test_it_is_upright_and_keeps_its_profile(client: TestClient) -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the right
    Image.fromarray(RAMP).save(file, "TIFF", exif=exif, icc_profile=PROFILE)
    _, shown = preview(client, file.getvalue())
    assert shown.size == (80, 96)
    assert shown.getexif().get(0x0112) is None
    assert np.abs(np.asarray(shown).astype(int) - np.rot90(RAMP, -1)).max() <= 6
    assert shown.info["icc_profile"] == PROFILE


@pytest.mark.parametrize("mode", ["L", "CMYK", "1", "P"])
def test_other_colours_are_shown_as_rgb(client: TestClient, mode: str) -> None:
    image = Image.fromarray(RAMP).convert(mode)
    file = io.BytesIO()
    image.save(file, "TIFF", icc_profile=PROFILE if mode == "L" else None)
    _, shown = preview(client, file.getvalue())
    assert shown.mode == "RGB"
    assert ("icc_profile" in shown.info) is False  # one for another kind of colours would be wrong
    wanted = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(np.asarray(shown).astype(int) - wanted).mean() < 6


def test_json_shows_the_same(client: TestClient) -> None:
    data = picture("TIFF")
    as_form = client.post("/v1/preview", files={"picture": data})
    as_json = client.post("/v1/preview", json={"picture": base64.b64encode(data).decode()})
    assert as_json.content == as_form.content


@pytest.mark.parametrize(
    ("files", "data", "status", "kind", "word"),
    [
        ({"picture": b"HEIC"}, {}, 422, "picture", "is not a picture, want PNG, JPEG"),
        ({"picture": picture("TIFF")[:-9000]}, {}, 422, "picture", "is damaged or cut short"),
        ({"picture": picture("PNG", (200, 101))}, {}, 413, "too-large", "200 x 101 = 20,200"),
        ({"picture": b"\xff" * 200_001}, {}, 413, "too-large", "200,000"),
        ({"mask": mask()}, {}, 422, "settings", "picture is missing"),
        ({"picture": picture(), "mask": mask()}, {}, 422, "settings", "mask is given, want none"),
        ({"picture": picture(), "style": mask()}, {}, 422, "settings", "style is given"),
        ({"picture": picture()}, {"quality": "5"}, 422, "settings", "quality is not a setting"),
    ],
)
def test_what_cannot_be_shown_is_a_problem_of_one_line(
    client: TestClient, files: Any, data: Any, status: int, kind: str, word: str
) -> None:
    answer = client.post("/v1/preview", files=files, data=data)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:swapfill:{kind}"
    assert word in answer.json()["detail"]


def test_it_waits_in_the_same_queue_and_wants_the_same_token(tiny_bundle: Path) -> None:
    gate, files = Gate(), {"picture": encoded(RAMP, "TIFF"), "mask": mask()}
    with client_of(devices_of(tiny_bundle, gate), workers=1, queue=1, token="secret") as client:
        shown = {"picture": files["picture"]}
        assert client.post("/v1/preview", files=shown).status_code == 401
        client.headers["Authorization"] = "Bearer secret"
        for _ in range(2):
            assert client.post("/v1/jobs", files=files, data={"kind": "inpaint"}).status_code == 202
        until(gate.entered.is_set)
        full = client.post("/v1/preview", files=shown)
        assert (full.status_code, full.json()["type"]) == (429, "urn:swapfill:queue-full")
        assert int(full.headers["retry-after"]) >= 1
        gate.opened.set()
        until(lambda: client.post("/v1/preview", files=shown).status_code == 200)
        assert 'swapfill_work_total{end="done",kind="preview"} 1.0' in client.get("/metrics").text


def test_it_is_no_job(client: TestClient) -> None:
    answer = client.post("/v1/jobs", files={"picture": picture()}, data={"kind": "preview"})
    assert "kind is 'preview', want one of inpaint, style" in answer.json()["detail"]
