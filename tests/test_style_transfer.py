from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from swapfill.engines.interface import Engine, Swapped
from swapfill.style_settings import StyleSettings
from swapfill.style_transfer import stylise


class _Plain:
    """An engine whose features are the pixels, and whose translation is the pieces as they are."""

    name, device, precision = "torch", "cpu", "fp32"

    def __init__(self, error: float = 0.0) -> None:
        self.error = error  # what the translation is off by
        self.sides: list[int] = []

    def encode(self, image: Tensor) -> Tensor:
        return F.pixel_unshuffle(image, 4)

    def translate(self, swapped: Swapped[Tensor], guess: Tensor, hole: Tensor) -> Tensor:
        self.sides.append(swapped.pixels.shape[2])
        assert swapped.features.shape[2] * 4 == swapped.pixels.shape[2] == swapped.pixels.shape[3]
        assert bool(hole.all())
        return swapped.pixels + self.error


def _engine(error: float = 0.0) -> Any:
    return _Plain(error)


def _noise(height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def _style(
    content: Tensor, *styles: Tensor, engine: Engine[Tensor] | None = None, **asked: Any
) -> Tensor:
    chosen = StyleSettings.read(asked, "settings")
    return stylise(engine or _engine(), content, styles, [1 / len(styles)] * len(styles), chosen)


@settings(deadline=None, max_examples=12)
@given(st.integers(1, 90), st.integers(1, 90))
def test_any_size_comes_back_in_that_size(height: int, width: int) -> None:
    result = _style(_noise(height, width), _noise(24, 36, 1), coarsest=64)
    assert result.shape == (3, height, width)
    assert torch.isfinite(result).all()
    assert 0 <= float(result.min()) <= float(result.max()) <= 1


def test_a_picture_in_its_own_style_stays_as_it_is() -> None:
    picture = _noise(128, 128)
    assert torch.allclose(_style(picture, picture, coarsest=128), picture, atol=1e-3)


def test_pieces_are_the_styles_in_every_tile_and_tiles_meet_without_a_seam() -> None:
    content = _noise(1, 1040).repeat_interleave(16, dim=1)
    style = torch.rand(3, 1, 1).expand(3, 16, 16)
    engine = _Plain()
    result = _style(content, style.contiguous(), engine=engine)  # type: ignore[arg-type]
    # 260, 520 and 1040 pixels in tiles of 512 that share 128
    assert engine.sides == [512] * (1 + 2 + 3)
    assert torch.allclose(result, style[:, :1, :1].expand_as(result), atol=1e-3)


def test_finer_scales_keep_the_pieces_of_the_first() -> None:
    """A style of two halves, the content alike: what is left stays left at 4 times the size."""
    style = torch.zeros(3, 32, 32)
    style[0, :, :16], style[2, :, 16:] = 1.0, 0.6
    content = F.interpolate(style[None], scale_factor=8)[0]
    result = _style(content, style, coarsest=64)
    assert float((result[0, :, :112] - 1).abs().max()) < 0.05
    assert float((result[2, :, 144:] - 0.6).abs().max()) < 0.05


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_strength_goes_from_the_content_to_the_style(strength: float) -> None:
    content, style = _noise(32, 32), torch.full((3, 32, 32), 0.25)
    result = _style(content, style, engine=_engine(0.1), strength=strength)
    wanted = (1 - strength) * content + strength * (0.25 + 0.1)
    assert torch.allclose(result, wanted.clamp(0, 1), atol=2e-3)


def test_styles_are_blended_by_weight() -> None:
    dark, light = torch.full((3, 16, 16), 0.2), torch.full((3, 16, 16), 0.8)
    result = stylise(_engine(), _noise(32, 32), [dark, light], [0.25, 0.75], StyleSettings())
    assert torch.allclose(result, torch.full_like(result, 0.65), atol=2e-3)


def test_tiles_that_nobody_asks_for_are_not_worked_on() -> None:
    content, style = _noise(16, 1040), _noise(16, 16, 1)
    where = torch.zeros(16, 1040, dtype=torch.bool)
    where[:, 1030:] = True
    engine: Any = _Plain()
    told: list[tuple[int, int]] = []

    def tell(done: int, total: int) -> None:
        told.append((done, total))

    stylise(engine, content, [style], [1.0], StyleSettings(), where=where, on_progress=tell)
    tiles = len(told) - 1
    assert told == [(i, tiles) for i in range(tiles + 1)]
    full: Any = _Plain()
    stylise(full, content, [style], [1.0], StyleSettings())
    assert engine.sides[-1] == 512
    assert len(full.sides) - len(engine.sides) == 2
