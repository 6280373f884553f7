from typing import Any

import pytest
from pydantic import ValidationError

from swapfill.config import (
    DiscriminatorConfig,
    EncoderConfig,
    Feature2ImageConfig,
    FillSettings,
    Image2FeatureConfig,
    Settings,
)
from swapfill.errors import ConfigError
from swapfill.training.settings import TrainSettings

ALL = [EncoderConfig, Image2FeatureConfig, Feature2ImageConfig, DiscriminatorConfig, FillSettings]


def refused(kind: type[Settings], values: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        kind.read(values, "here.toml")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("here.toml: ")
    return message.removeprefix("here.toml: ")


@pytest.mark.parametrize("kind", ALL)
def test_defaults_are_valid_and_survive_a_file(kind: type[Settings]) -> None:
    settings = kind.read({}, "here")
    assert kind.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize("kind", ALL)
def test_settings_are_frozen(kind: type[Settings]) -> None:
    settings = kind.read({}, "here")
    name = next(iter(kind.model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(settings, name, getattr(settings, name))


@pytest.mark.parametrize("kind", ALL)
def test_an_unknown_setting_is_refused_with_the_ones_there_are(kind: type[Settings]) -> None:
    message = refused(kind, {"sidee": 3})
    assert message.startswith("sidee is not a setting, want one of ")
    assert all(name in message for name in kind.model_fields)


def test_an_unknown_setting_of_a_part_lists_that_parts_own() -> None:
    values = {"stage": "image2feature", "data": {"sources": ["a"]}, "optim": {"rate": 1}}
    message = refused(TrainSettings, values)
    assert message.startswith("optim.rate is not a setting, want one of ")
    assert "learning_rate" in message
    assert "sources" not in message


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        (Image2FeatureConfig, {"side": 100}, "side is 100, want a power of two, at least 16"),
        (Image2FeatureConfig, {"side": 8}, "side is 8, want a power of two, at least 16"),
        (Image2FeatureConfig, {"side": 0}, "side is 0, want a power of two, at least 16"),
        (Image2FeatureConfig, {"width": 0}, "width is 0: input should be greater than 0"),
        (
            Image2FeatureConfig,
            {"norm": "layer"},
            "norm is 'layer': input should be 'none', 'batch'",
        ),
        (
            Image2FeatureConfig,
            {"feature_head": True, "mask_aware": False},
            "feature_head and membrane need mask_aware",
        ),
        (Feature2ImageConfig, {"stride": 3}, "stride is 3, want a power of two, at least 2"),
        (Feature2ImageConfig, {"stride": 1}, "stride is 1, want a power of two, at least 2"),
        (Feature2ImageConfig, {"side": 8}, "side is 8, want a power of two, at least 16"),
        (Feature2ImageConfig, {"side": 192}, "side is 192, want a power of two, at least 16"),
        (DiscriminatorConfig, {"norm": "group"}, "norm is 'group'"),
        (EncoderConfig, {"layer": "relu5_1"}, "layer is 'relu5_1': input should be 'relu2_1'"),
        (EncoderConfig, {"width": "wide"}, "width is 'wide': input should be a valid integer"),
        (FillSettings, {"scales": [256, 128]}, "scales are (256, 128), want rising sides"),
        (FillSettings, {"scales": [128, 128]}, "scales are (128, 128), want rising sides"),
        (FillSettings, {"scales": []}, "scales are (), want rising sides"),
        (FillSettings, {"scales": [128, 200]}, "a scale is 200, want a power of two, at least 128"),
        (FillSettings, {"scales": [64]}, "a scale is 64, want a power of two, at least 128"),
        (FillSettings, {"refine": -1}, "refine is -1: input should be greater than or equal to 0"),
        (FillSettings, {"refine": 9}, "refine is 9: input should be less than or equal to 8"),
        (FillSettings, {"feather": -1}, "feather is -1"),
        (FillSettings, {"bonus": -0.1}, "bonus is -0.1"),
        (FillSettings, {"matching": "best"}, "matching is 'best'"),
        (FillSettings, {"tone": -0.5}, "tone is -0.5"),
    ],
)
def test_a_value_that_breaks_a_rule_is_refused_with_what_is_wanted(
    kind: type[Settings], values: dict[str, Any], words: str
) -> None:
    assert words in refused(kind, values)


def test_the_first_of_several_faults_is_named() -> None:
    message = refused(FillSettings, {"refine": -1, "feather": -1})
    assert message.startswith("refine is -1")
    assert "feather" not in message


@pytest.mark.parametrize("side", [16, 128, 1024])
def test_every_power_of_two_is_a_side(side: int) -> None:
    assert Image2FeatureConfig(side=side).side == side
    assert Feature2ImageConfig(side=side).side == side


def test_defaults_are_the_papers_where_it_speaks() -> None:
    assert FillSettings().refine == 0
    assert FillSettings(scales=(128, 256, 512)).scales == (128, 256, 512)
    assert EncoderConfig().layer == "relu3_1"
    assert Feature2ImageConfig().upsampling == "resize"
    assert Image2FeatureConfig().upsampling == "deconvolution"
    assert (Image2FeatureConfig().width, Image2FeatureConfig().max_width) == (64, 512)
    assert (Feature2ImageConfig().width, Feature2ImageConfig().max_width) == (64, 512)
    assert DiscriminatorConfig().width == 64
