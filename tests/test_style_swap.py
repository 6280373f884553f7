import pytest
import torch
from torch import Tensor

from swapfill.style_swap import (
    StyleMap,
    described,
    matched,
    normalised,
    refined,
    statistics_of,
    style_map,
    swapped,
)


def _picture(seed: int, height: int = 32, width: int = 32) -> tuple[Tensor, Tensor]:
    """Give features of 6 channels and the picture of their cells."""
    rng = torch.Generator().manual_seed(seed)
    picture = torch.rand(3, height, width, generator=rng)
    features = torch.rand(6, height // 4, width // 4, generator=rng)
    return features, picture


def _map(seed: int, height: int = 32, width: int = 32, tone: float = 2.0) -> StyleMap:
    features, picture = _picture(seed, height, width)
    return style_map(described(features, picture), picture, tone)


def test_keys_have_mean_0_and_deviation_1_and_brightness_the_tone() -> None:
    keys = _map(0, tone=3.0).keys
    assert keys.mean(dim=(1, 2)).abs().max() < 1e-5
    deviation = keys.flatten(1).std(dim=1, correction=0)
    assert torch.allclose(deviation, torch.tensor([1.0] * 6 + [3.0]), atol=1e-4)


def test_a_picture_of_one_colour_has_finite_keys() -> None:
    picture = torch.full((3, 16, 16), 0.5)
    description = described(torch.zeros(6, 4, 4), picture)
    assert torch.isfinite(normalised(description, statistics_of(description), 5.0)).all()


def test_a_map_swapped_for_itself_is_itself() -> None:
    features, picture = _picture(1, 24, 40)
    style = style_map(described(features, picture), picture, 2.0)
    places = matched(style.keys, style)
    mine = torch.stack(torch.meshgrid(torch.arange(4), torch.arange(8), indexing="ij"), dim=-1)
    assert torch.equal(places, mine)
    its_features, its_pixels = swapped(style, places)
    assert torch.allclose(its_features, features, atol=1e-5)
    assert torch.allclose(its_pixels, picture, atol=1e-6)


def test_light_stays_light_where_features_say_nothing() -> None:
    picture = torch.zeros(3, 32, 32)
    picture[:, :, 16:] = 1.0
    flat = torch.zeros(6, 8, 8)
    style = style_map(described(flat, picture), picture, 5.0)
    negative = described(flat, picture.flip(2))
    query = normalised(negative, statistics_of(negative), 5.0)
    _, pixels = swapped(style, matched(query, style))
    # not in the middle: the style has no edge from light to dark
    assert bool((pixels[:, :, :8] == 1).all())
    assert bool((pixels[:, :, 24:] == 0).all())


@pytest.mark.parametrize("factor", [1, 2])
def test_refined_takes_the_best_of_nine_carried_candidates(factor: int) -> None:
    query, style = _map(2, 48, 48).keys, _map(3, 56, 48)
    coarse = torch.randint(0, 5, (4, 4, 2), generator=torch.Generator().manual_seed(4))
    corner = (2, 0)
    tile = query[:, 2:, :]
    got = refined(tile, style, coarse, corner, factor)

    def score(row: int, column: int, there: tuple[int, int]) -> float:
        asks = tile[:, row : row + 3, column : column + 3]
        answers = style.keys[:, there[0] : there[0] + 3, there[1] : there[1] + 3]
        return float((asks * answers).sum() / answers.norm())

    for row in range(8):
        for column in range(10):
            best = -9e9
            for y in (-1, 0, 1):
                for x in (-1, 0, 1):
                    up = min(max((row + 2 + 1) // 2 - 1 + y, 0), 3)
                    left = min(max((column + 1) // 2 - 1 + x, 0), 3)
                    first = int(coarse[up, left, 0]) * factor + row + 2 - 2 * up
                    second = int(coarse[up, left, 1]) * factor + column - 2 * left
                    there = (min(max(first, 0), 11), min(max(second, 0), 9))
                    best = max(best, score(row, column, there))
            mine = (int(got[row, column, 0]), int(got[row, column, 1]))
            assert score(row, column, mine) == pytest.approx(best, abs=1e-5)
