import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import swapfill
from swapfill.errors import ConfigError, DeviceError, ImageError, MaskError
from swapfill.images import Photograph
from swapfill.style import Stylist


@pytest.fixture(scope="module")
def stylist(tiny_bundle: Path) -> Stylist:
    return Stylist.load(tiny_bundle, coarsest=64)


def _noise(*shape: int, dtype: Any = np.uint8, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.random(shape).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


STYLE = _noise(24, 30, 3, seed=1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_outside_the_mask_not_a_bit_changes(stylist: Stylist, dtype: Any) -> None:
    content = _noise(40, 52, 3, dtype=dtype)
    where = np.zeros((40, 52), np.bool_)
    where[10:30, 20:40] = True
    result = stylist(content, STYLE, where)
    assert result.dtype == content.dtype
    assert np.array_equal(result[~where], content[~where])
    assert not np.array_equal(result[where], content[where])


@pytest.mark.parametrize("shape", [(33, 47), (33, 47, 1), (33, 47, 2), (1, 1, 3), (5, 300, 4)])
def test_arrays_of_any_shape_give_their_own(stylist: Stylist, shape: tuple[int, ...]) -> None:
    content = _noise(*shape)
    result = stylist(content, STYLE)
    assert result.shape == shape
    if len(shape) == 3 and shape[2] in (2, 4):
        assert np.array_equal(result[..., -1], content[..., -1])  # alpha


def test_every_kind_gives_its_own(stylist: Stylist, photo: Path) -> None:
    assert isinstance(stylist(photo, STYLE), Image.Image)
    with Image.open(photo) as image:
        assert stylist(image, [image, STYLE], weights=[1, 2]).size == image.size
    tensor = torch.from_numpy(_noise(3, 20, 30, dtype=np.float32))
    result = stylist(tensor, torch.rand(3, 16, 16))
    assert result.shape == tensor.shape
    assert result.dtype == tensor.dtype


def test_a_file_keeps_format_depth_and_metadata(stylist: Stylist, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a title"
    source, style, output = (tmp_path / name for name in ("in.jpg", "style.png", "out.jpg"))
    Image.fromarray(_noise(40, 50, 3)).save(source, exif=exif, dpi=(300, 300), icc_profile=b"mine")
    Image.fromarray(STYLE).save(style)
    stylist.stylize_file(source, [style], output)
    with Image.open(output) as image:
        assert (image.format, image.size, image.mode) == ("JPEG", (50, 40), "RGB")
        assert image.getexif()[0x010E] == "a title"
        assert image.info["icc_profile"] == b"mine"


def test_strength_0_is_the_content_byte_for_byte(tiny_bundle: Path, photo: Path) -> None:
    content = Photograph.open(photo)
    result = Stylist.load(tiny_bundle, strength=0).stylize_photograph(
        content, [Photograph.from_array(STYLE)]
    )
    assert result.to_bytes() == photo.read_bytes()


def test_colours_are_kept_where_asked(tiny_bundle: Path) -> None:
    content = np.full((32, 32, 3), (0.5, 0.4, 0.3), np.float32)
    content += np.linspace(-0.1, 0.1, 32, dtype=np.float32)[None, :, None]
    result = Stylist.load(tiny_bundle, keep_colours=True)(content, STYLE)
    shift = result - content
    inside = ((result > 0) & (result < 1)).all(axis=2)
    assert inside.any()
    assert np.ptp(shift[inside], axis=1).max() < 1e-5  # the same step in every channel
    assert np.abs(shift).max() > 0.01


def test_a_style_smaller_than_a_patch_is_refused_in_one_line(stylist: Stylist) -> None:
    with pytest.raises(ImageError, match=r"^the style: is 30 x 8 pixels, want a style of at least"):
        stylist(_noise(20, 20, 3), STYLE[:8])
    assert stylist(_noise(20, 20, 3), STYLE[:12, :12]).shape == (20, 20, 3)


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [1.0, float("nan")]])
def test_weights_that_do_not_fit_are_refused(stylist: Stylist, weights: list[float]) -> None:
    with pytest.raises(ConfigError, match="weights"):
        stylist(_noise(20, 20, 3), [STYLE, STYLE], weights=weights)


def test_input_of_no_kind_is_refused(stylist: Stylist, photo: Path) -> None:
    with pytest.raises(ImageError, match="the content is a BytesIO"):
        stylist(io.BytesIO(), STYLE)  # type: ignore[call-overload]
    with pytest.raises(ImageError, match="want floating point"):
        stylist(torch.zeros(1, 3, 8, 8), STYLE)
    with pytest.raises(ConfigError, match="there is no style"):
        stylist(photo, [])
    with pytest.raises(MaskError, match="want 80 x 96"):
        stylist(photo, STYLE, np.ones((3, 3), np.bool_))


def test_another_engine_is_refused(stylist: Stylist) -> None:
    class _Other:
        name = "onnx"

    with pytest.raises(DeviceError, match="cannot transfer style, want torch"):
        Stylist(_Other())  # type: ignore[arg-type]


def test_one_call_does_it(tiny_bundle: Path, photo: Path, stylist: Stylist) -> None:
    result = swapfill.stylize(photo, STYLE, model=tiny_bundle, coarsest=64)
    assert np.array_equal(np.asarray(result), np.asarray(stylist(photo, STYLE)))
