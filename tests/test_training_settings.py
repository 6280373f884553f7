from pathlib import Path

import pytest

from swapfill.errors import ConfigError
from swapfill.training.settings import LossSettings, OptimSettings, load_settings

TOML = """
stage = "image2feature"
encoder_weights = "encoder.safetensors"
[data]
sources = ["photos.tar"]
[optim]
steps = 7
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "run.toml").write_text(TOML)
    return tmp_path / "run.toml"


def test_a_file_is_read_and_the_rest_are_defaults(path: Path) -> None:
    settings = load_settings(path, [])
    assert settings.stage == "image2feature"
    assert settings.data.sources == ("photos.tar",)
    assert settings.optim == OptimSettings(steps=7)
    assert settings.loss == LossSettings()


def test_overrides_win_and_may_be_numbers_lists_words_or_paths(path: Path) -> None:
    overrides = ["optim.steps=9", 'data.sources=["a", "b"]', "vgg=../x/vgg.safetensors"]
    settings = load_settings(path, [*overrides, "loss.kind=hinge", "optim.cosine=true"])
    assert settings.optim.steps == 9
    assert settings.data.sources == ("a", "b")
    assert settings.vgg == Path("../x/vgg.safetensors")
    assert settings.loss.kind == "hinge"
    assert settings.optim.cosine is True


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("optim.steps", "override 'optim.steps': want name=value"),
        ("stage.kind=x", "override 'stage.kind=x': stage is a value, want a table"),
        ("optim.steps=0", "optim.steps is 0: input should be greater than 0"),
        ("optim.pace=3", "optim.pace is not a setting, want one of batch_size"),
        ("loss.kind=wgan", "loss.kind is 'wgan'"),
        ("query.prediction=0.5", "query.prediction needs image2feature_weights"),
        ("query.prediction=1.5", "query.prediction is 1.5"),
        ("stage=encoder", "vgg is missing, want the teacher's weights file"),
        ("data=3", "data is 3"),
        ("data.sources=[]", "sources are empty, want at least one"),
        ("data.holes=masks", "masks is a folder, wanted with holes = 'masks'"),
        ("data.masks=folder", "masks is a folder, wanted with holes = 'masks'"),
        ("data.unreadable=2", "data.unreadable is 2"),
        (
            "data.holes=square",
            "input should be 'centre', 'box', 'free-form', 'blob', 'mixed' or 'masks'",
        ),
        ("data.keep=both", "data.keep is 'both'"),
        ("data.workers=-1", "data.workers is -1"),
        ("validation.patience=3", "validation.patience needs data.validation"),
    ],
)
def test_an_override_that_cannot_be_is_refused_with_one_line(
    override: str, words: str, path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(path, [override])
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"stage = ", b"\xff\xfe", b"stage 'x'"])
def test_a_file_that_is_no_toml_is_refused_by_name(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"run\.toml: not TOML") as caught:
        load_settings(path, [])
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml: No such file"):
        load_settings(tmp_path / "gone.toml", [])


def test_the_defaults_are_the_papers_weights() -> None:
    """Eq. 2 to 4 for Image2Feature; the feature loss is a sum, or 0.001 would do nothing."""
    loss = LossSettings()
    assert (loss.image, loss.feature, loss.adversarial) == (1000.0, 0.001, 1.0)
    assert loss.ring_weight == 10.0
    assert (OptimSettings().learning_rate, OptimSettings().momentum) == (2e-4, 0.5)


@pytest.mark.parametrize(("until", "last"), [(None, 9), (5, 5), (12, 9)])
def test_a_run_ends_at_its_last_step_or_before(until: int | None, last: int) -> None:
    assert OptimSettings(steps=9, until=until).last_step == last
