import pytest

from swapfill.bundle import Bundle, available
from swapfill.presets import DEFAULT, PAPER, PRESETS


def test_presets_are_found_by_their_names() -> None:
    assert {"default": DEFAULT, "paper": PAPER} == PRESETS


def test_the_paper_preset_has_the_papers_numbers() -> None:
    assert PAPER.encoder.kind == "vgg19"
    assert PAPER.encoder.layer == "relu3_1"
    assert PAPER.image2feature.mask_aware is False
    assert PAPER.fill.scales == (128, 256, 512)
    assert PAPER.fill.matching == "literal"
    assert {key: net.side for key, net in PAPER.feature2image.items()} == {
        "128": 128,
        "256": 256,
        "512": 512,
    }
    guesser = PAPER.image2feature
    assert (guesser.width, guesser.max_width, guesser.norm) == (64, 512, "batch")
    for translator in PAPER.feature2image.values():
        assert (translator.width, translator.max_width, translator.norm) == (64, 512, "batch")


@pytest.mark.skipif("default" not in available(), reason="no bundle is packaged")
def test_the_default_preset_is_the_packaged_bundle() -> None:
    packaged = Bundle.open("default").config
    assert packaged.model_dump(exclude={"description"}) == DEFAULT.model_dump(
        exclude={"description"}
    )
