import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import swapfill


def test_the_public_list() -> None:
    assert dir(swapfill) == sorted(swapfill.__all__)
    assert set(swapfill.__all__) == {
        "BundleError",
        "ConfigError",
        "DataError",
        "DeviceError",
        "ImageError",
        "Inpainter",
        "MaskError",
        "NoKnownPatchError",
        "OutputError",
        "Stylist",
        "SwapfillError",
        "VideoError",
        "VideoInpainter",
        "__version__",
        "inpaint",
        "stylize",
    }
    for name in swapfill.__all__:
        assert getattr(swapfill, name) is getattr(swapfill, name)


def test_every_error_is_public_and_of_one_family() -> None:
    from swapfill import errors

    family = {name for name in vars(errors) if name.endswith("Error")}
    assert family <= set(swapfill.__all__)
    for name in family:
        assert issubclass(getattr(swapfill, name), swapfill.SwapfillError)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'swapfill' has no attribute 'nope'"):
        _ = swapfill.nope


def imported_by(modules: str) -> set[str]:
    """Give the names of all that is loaded once `modules` are, in a process of its own."""
    code = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing_else_of_weight() -> None:
    assert not imported_by("swapfill") & {"torch", "numpy", "PIL", "pydantic", "typer"}


def test_an_engine_brings_its_own_runtime() -> None:
    without = ("api", "bundle", "cli", "demo", "images", "inpainter", "pipeline", "presets")
    assert "torch" not in imported_by(", ".join(f"swapfill.{name}" for name in without))


def test_a_picture_in_gives_the_same_kind_out(photo: Path, mask: Path, tiny_bundle: Path) -> None:
    import torch

    with Image.open(photo) as opened, Image.open(mask) as white:
        picture, stencil = opened.copy(), white.copy()
    array = np.asarray(picture)
    hole = np.asarray(stencil) > 0
    tensor = torch.from_numpy(array.transpose(2, 0, 1).astype(np.float32) / 255)
    options: dict[str, Any] = {"model": tiny_bundle, "precision": "fp32"}
    from_path = swapfill.inpaint(photo, mask, **options)
    from_pil = swapfill.inpaint(picture, stencil, **options)
    from_array = swapfill.inpaint(array, hole, **options)
    from_tensor = swapfill.inpaint(tensor, torch.from_numpy(hole), **options)
    assert isinstance(from_path, Image.Image)
    assert isinstance(from_pil, Image.Image)
    for result in (np.asarray(from_path), np.asarray(from_pil), from_array):
        np.testing.assert_array_equal(result, from_array)
        np.testing.assert_array_equal(result[~hole], array[~hole])
    assert torch.equal(from_tensor[:, ~torch.from_numpy(hole)], tensor[:, ~torch.from_numpy(hole)])
    # A quarter of a level: the floating point picture is not rounded, the other one is.
    np.testing.assert_allclose(
        from_tensor.numpy().transpose(1, 2, 0)[hole] * 255, from_array[hole], atol=0.5 + 0.25
    )


def test_one_call_is_what_a_kept_inpainter_gives(
    photo: Path, mask: Path, tiny_bundle: Path
) -> None:
    options: dict[str, Any] = {"precision": "fp32", "grow": 3}
    once = swapfill.inpaint(photo, mask, model=tiny_bundle, **options)
    kept = swapfill.Inpainter.load(tiny_bundle, **options)(photo, mask)
    np.testing.assert_array_equal(np.asarray(once), np.asarray(kept))


def test_an_unknown_option_is_refused_by_name(photo: Path, mask: Path, tiny_bundle: Path) -> None:
    with pytest.raises(swapfill.ConfigError, match=r"grown is not a setting, want one of .*grow"):
        swapfill.inpaint(photo, mask, model=tiny_bundle, grown=3)


def test_nan_in_an_array_is_refused(tiny_bundle: Path) -> None:
    picture = np.full((80, 96, 3), 0.5, np.float32)
    picture[3, 4, 1] = np.nan
    hole = np.zeros((80, 96), bool)
    hole[20:40, 20:40] = True
    with pytest.raises(swapfill.ImageError, match="NaN"):
        swapfill.inpaint(picture, hole, model=tiny_bundle)
