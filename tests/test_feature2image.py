import pytest
import torch
from torch import Tensor

from swapfill.config import Feature2ImageConfig
from swapfill.errors import ConfigError
from swapfill.feature2image import Feature2Image, Guide
from swapfill.networks import initialise

GUIDED = Feature2ImageConfig(side=32, width=8, max_width=16, norm="none", guided=True)


def guided() -> Feature2Image:
    network = Feature2Image(GUIDED)
    initialise(network, torch.Generator().manual_seed(0))
    return network.eval()


def given(side: int = 32) -> tuple[Tensor, Guide]:
    generator = torch.Generator().manual_seed(1)
    pixels, guess = (torch.rand(2, 3, side, side, generator=generator) for _ in range(2))
    hole = torch.zeros(2, 1, side, side, dtype=torch.bool)
    hole[:, :, 8:20, 8:20] = True
    return torch.rand(2, 256, side // 4, side // 4, generator=generator), Guide(pixels, guess, hole)


def test_a_guided_network_answers_a_correction_of_the_pieces_pixels() -> None:
    network, (features, guide) = guided(), given()
    corrected = network(features, guide).detach()
    assert 0 < float((corrected - guide.pixels).abs().mean()) < 0.1  # near nothing at first
    with torch.no_grad():
        network.tail.to_full.weight.zero_()
        unchanged = network(features, guide)
    torch.testing.assert_close(unchanged, guide.pixels.clamp(0.0025, 0.9975))


@pytest.mark.parametrize("part", ["features", "pixels", "guess", "hole"])
def test_all_that_guides_is_seen(part: str) -> None:
    network, (features, guide) = guided(), given()
    one = network(features, guide)
    if part == "features":
        features = features.flip(0)
    elif part == "hole":
        guide = guide._replace(hole=~guide.hole)
    else:
        guide = guide._replace(**{part: getattr(guide, part).flip(0)})
    assert not torch.allclose(one, network(features, guide), atol=1e-6)


def test_a_guided_network_fits_multiples_of_its_side_and_stays_in_range() -> None:
    features, guide = given(64)
    image = guided()(features, guide)
    assert image.shape == (2, 3, 64, 64)
    assert image.min() >= 0
    assert image.max() <= 1


def test_a_guided_network_wants_a_guide() -> None:
    with pytest.raises(ValueError, match="guide is None, want one for a guided network"):
        guided()(given()[0])


def test_an_unguided_network_leaves_the_guide_aside() -> None:
    network = Feature2Image(GUIDED.model_copy(update={"guided": False}))
    features, guide = given()
    assert torch.equal(network(features, guide), network(features))


def test_guided_is_for_features_of_stride_four() -> None:
    with pytest.raises(ConfigError, match="stride is 8, want 4 where guided"):
        Feature2ImageConfig.read({"stride": 8, "guided": True}, "test")
