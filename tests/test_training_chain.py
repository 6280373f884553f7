import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from swapfill.bundle import Bundle
from swapfill.encoder import VGG19, CompactEncoder
from swapfill.errors import BundleError, ConfigError
from swapfill.feature2image import Feature2Image
from swapfill.networks import Image2Feature
from swapfill.training.bundling import make_bundle
from swapfill.training.chain import Chain, Link, is_chain, load_chain
from swapfill.training.run_folder import write_finished, write_settings
from swapfill.training.settings import TrainSettings, load_settings
from swapfill.weights import read_tensors, save_from

CONFIGS = Path(__file__).parents[1] / "configs"
TOML = """
name = "toy"
description = "a toy"
notes = "the end"
vgg = "vgg.safetensors"
fill.bonus = 0.9
encoder.width = 2
image2feature = { side = 128, width = 2, max_width = 4 }
feature2image = { side = 128, width = 2, max_width = 4 }
optim = { steps = 4, batch_size = 3 }
[data]
sources = ["photos"]
side = 128
[[stages]]
stage = "encoder"
data.side = 32
[[stages]]
stage = "image2feature"
validation.patience = 1
data.validation = ["held"]
[[stages]]
stage = "feature2image"
optim.until = 2
[[stages]]
stage = "feature2image"
goes_on = true
query.prediction = 0.5
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    (tmp_path / "chain.toml").write_text(TOML)
    return tmp_path / "chain.toml"


def trained(link: Link) -> None:
    """Leave what a finished stage leaves, without training."""
    write_settings(link.folder, link.settings)
    networks: dict[str, Callable[[TrainSettings], nn.Module]] = {
        "encoder": lambda s: CompactEncoder(s.encoder.width),
        "image2feature": lambda s: Image2Feature(s.image2feature),
        "feature2image": lambda s: Feature2Image(s.feature2image),
    }
    for name in ("network.safetensors", "best.safetensors"):  # random, so not alike
        save_from(networks[link.settings.stage](link.settings), link.folder / name)
    step = link.settings.optim.last_step
    (link.folder / "metrics.jsonl").write_text(json.dumps({"step": step}) + "\n")
    (link.folder / "state.pt").write_bytes(b"state of " + link.folder.name.encode())
    write_finished(link.folder, step, early=False)


class Trainer:
    """Stands in for training; notes which stages it was asked for, and can break off."""

    def __init__(self, stop_at: str = "") -> None:
        self.asked, self.stop_at = list[str](), stop_at

    def __call__(self, link: Link) -> None:
        self.asked.append(link.folder.name)
        if link.folder.name == self.stop_at:
            raise KeyboardInterrupt
        link.folder.mkdir(parents=True, exist_ok=True)
        trained(link)


def load(path: Path, *overrides: str) -> Chain:
    return load_chain(path, list(overrides), path.parent / "run")


def test_shared_tables_are_laid_under_each_stage(path: Path) -> None:
    links = load(path).links
    assert [x.settings.data.side for x in links] == [32, 128, 128, 128]
    assert {x.settings.optim.batch_size for x in links} == {3}
    assert [x.settings.optim.last_step for x in links] == [4, 4, 2, 4]
    assert {x.settings.encoder.width for x in links} == {2}
    names = [x.folder.relative_to(path.parent) for x in links]
    stages = ("1-encoder", "2-image2feature", "3-feature2image", "4-feature2image")
    assert names == [Path("run") / name for name in stages]


def test_later_stages_find_the_weights_of_earlier_ones(path: Path) -> None:
    encoder, guess, first, second = load(path).links
    weights = encoder.folder / "network.safetensors"
    assert [x.settings.encoder_weights for x in (guess, first, second)] == [weights] * 3
    best = guess.folder / "best.safetensors"  # it was ended by its looks
    assert second.settings.image2feature_weights == best
    assert (first.before, second.before) == (None, first.folder)
    assert second.settings.initial_weights is None


def test_of_several_phases_the_last_one_is_used(path: Path) -> None:
    more = '[[stages]]\nstage = "image2feature"\n[[stages]]\nstage = "feature2image"\noptim.until'
    path.write_text(TOML.replace('[[stages]]\nstage = "feature2image"\noptim.until', more))
    links = load(path).links
    second = links[2].folder
    assert second.name == "3-image2feature"
    assert links[4].settings.image2feature_weights == second / "network.safetensors"
    assert load(path).parts()["image2feature"] == second


def test_a_phase_that_does_not_go_on_starts_from_the_weights_of_the_one_before(path: Path) -> None:
    path.write_text(TOML.replace("goes_on = true", ""))
    first, second = load(path).links[2:]
    assert second.before is None
    assert second.settings.initial_weights == first.folder / "network.safetensors"


def test_overrides_reach_every_stage_one_of_them_or_the_bundle(path: Path) -> None:
    chain = load(path, "optim.steps=9", "stages.2.optim.steps=7", "name=mine", "fill.bonus=0.5")
    assert [x.settings.optim.steps for x in chain.links] == [9, 7, 9, 9]
    assert (chain.settings.name, chain.settings.fill.bonus) == ("mine", 0.5)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[[stages]]", "[[stage]]", "stages are not"),
        ('name = "toy"', "", "name"),
        ("fill.bonus", "fill.bonsu", "fill.bonsu is not a setting"),
        ("data.side = 32", "data.sied = 32", r"stages\.1: data\.sied is not a setting"),
        ('stage = "image2feature"', 'stage = "guess"', r"stages\.2: stage is 'guess'"),
        ('"feature2image"', '"image2feature"', "stages have no feature2image"),
        ("optim.until = 2", "goes_on = true", r"stages\.3\.goes_on: no earlier stage"),
        ("optim.until = 2", "optim.until = 0", r"stages\.3: optim\.until is 0"),
    ],
)
def test_a_chain_that_cannot_be_is_refused_with_one_line(
    old: str, new: str, words: str, path: Path
) -> None:
    path.write_text(TOML.replace(old, new))
    with pytest.raises(ConfigError, match=words) as caught:
        load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", ["0", "5", "x"])
def test_an_override_of_a_stage_that_is_not_there_is_refused(number: str, path: Path) -> None:
    with pytest.raises(ConfigError, match=r"want stages\.1 to stages\.4"):
        load(path, f"stages.{number}.optim.steps=3")


def test_a_chain_without_an_encoder_wants_one(path: Path) -> None:
    start = TOML.index('[[stages]]\nstage = "image2feature"')
    without = TOML[: TOML.index("[[stages]]")] + TOML[start:]
    path.write_text(without)
    with pytest.raises(ConfigError, match=r"stages\.1: encoder_weights is missing"):
        load(path)
    settings = load(path, "encoder.kind=vgg19").links[0].settings
    assert settings.encoder_weights == Path("vgg.safetensors")


def test_a_file_laid_over_a_base_changes_only_what_it_says(path: Path) -> None:
    other = path.parent / "other.toml"
    other.write_text('base = "chain.toml"\nname = "other"\noptim.steps = 8\n')
    assert is_chain(other)
    chain = load(other)
    assert chain.settings.name == "other"
    assert [x.settings.optim.steps for x in chain.links] == [8, 8, 8, 8]
    assert chain.links[0].settings.optim.batch_size == 3
    path.write_text('base = "other.toml"\n' + TOML)
    with pytest.raises(ConfigError, match="in a circle"):
        load(path)


def test_a_chain_trains_every_stage_and_makes_a_bundle(path: Path) -> None:
    trainer, chain = Trainer(), load(path)
    folder = chain.run(trainer)
    assert trainer.asked == [x.folder.name for x in chain.links]
    bundle = Bundle.open(folder)
    bundle.verify()
    assert (bundle.config.name, bundle.config.description) == ("toy", "a toy")
    assert bundle.config.fill.bonus == 0.9
    assert bundle.config.image2feature == chain.links[1].settings.image2feature
    assert list(bundle.config.feature2image) == ["all"]
    for part, file in (
        ("encoder", "1-encoder/network"),
        ("image2feature", "2-image2feature/best"),  # its looks decide
        ("feature2image", "4-feature2image/network"),
    ):
        found = read_tensors(bundle.weights(part))
        for name, tensor in read_tensors(chain.folder / f"{file}.safetensors").items():
            kept = tensor.half() if tensor.is_floating_point() else tensor
            assert torch.equal(found[name], kept), f"{part}: {name}"
    card = (folder / "README.md").read_text()
    assert card.endswith("the end")
    assert "| feature2image | " in card


def test_a_phase_that_goes_on_takes_up_the_state_and_leaves_its_own(path: Path) -> None:
    seen: list[bytes] = []

    class Watcher(Trainer):
        def __call__(self, link: Link) -> None:
            if link.before is not None:
                seen.append((link.folder / "state.pt").read_bytes())
            super().__call__(link)

    with pytest.raises(KeyboardInterrupt):
        load(path).run(Watcher(stop_at="4-feature2image"))
    (path.parent / "run" / "4-feature2image" / "state.pt").write_bytes(b"further on")
    load(path).run(Watcher())
    assert seen == [b"state of 3-feature2image", b"further on"]


def test_finished_stages_are_skipped_and_a_broken_chain_goes_on(path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        load(path).run(Trainer(stop_at="2-image2feature"))
    again = Trainer()
    load(path).run(again)
    assert again.asked == ["2-image2feature", "3-feature2image", "4-feature2image"]
    third = Trainer()
    load(path).run(third)
    assert third.asked == []


def test_a_finished_stage_of_another_config_is_refused(path: Path) -> None:
    load(path).run(Trainer())
    with pytest.raises(ConfigError, match=r"1-encoder/settings\.json: encoder\.width is 2 in"):
        load(path, "encoder.width=4").run(Trainer())


def test_networks_of_several_scales_each_get_a_part(path: Path) -> None:
    scales = TOML.replace("optim.until = 2", "feature2image.side = 256").replace(
        "goes_on = true", ""
    )
    path.write_text(scales)
    chain = load(path)
    assert chain.links[3].settings.initial_weights is None
    bundle = Bundle.open(chain.run(Trainer()))
    bundle.verify()
    assert sorted(bundle.config.feature2image) == ["128", "256"]
    assert bundle.config.feature2image["256"].side == 256


def test_an_encoder_that_was_there_before_is_copied(path: Path) -> None:
    save_from(VGG19(), path.parent / "vgg")
    start = TOML.index('[[stages]]\nstage = "image2feature"')
    path.write_text(TOML[: TOML.index("[[stages]]")] + TOML[start:])
    chain = load(path, "encoder.kind=vgg19", f"vgg={path.parent / 'vgg'}")
    bundle = Bundle.open(chain.run(Trainer()))
    assert bundle.config.encoder.kind == "vgg19"
    bundle.verify()
    assert "licence" in (bundle.folder / "README.md").read_text()


def test_a_bundle_wants_runs_of_the_right_stage_with_their_weights(path: Path) -> None:
    chain = load(path)
    chain.run(Trainer())
    parts, fill = chain.parts(), chain.settings.fill
    wrong = parts | {"image2feature": parts["encoder"]}
    with pytest.raises(ConfigError, match="stage is encoder, want image2feature"):
        make_bundle(path.parent / "b", "b", wrong, fill)
    (parts["encoder"] / "network.safetensors").unlink()
    with pytest.raises(BundleError, match="no such weights file"):
        make_bundle(path.parent / "b", "b", parts, fill)
    assert not (path.parent / "b").exists()


@pytest.mark.parametrize("config", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_config_of_the_project_is_valid(config: Path) -> None:
    if is_chain(config):
        chain = load_chain(config, [], Path("run"))
        assert chain.settings.name == config.stem
        assert len(chain.parts()) >= 2
    else:
        settings = load_settings(config, [])
        # Named by its stage, or by the network that stands in for the stage's own.
        other = settings.image2feature.kind.replace("_", "-")
        assert config.stem in (settings.stage, other)


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        more = (
            flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
        )
        found |= more
    return found


@pytest.mark.parametrize(
    ("number", "free"),
    [
        (0, ()),
        (1, ("optim.warmup",)),
        (
            2,
            (
                *(f"data.{x}" for x in ("side", "upscale", "whole", "centre_share", "close_share")),
                *(f"optim.{x}" for x in ("steps", "batch_size", "learning_rate", "clip")),
            ),
        ),
        (3, ()),
    ],
)
def test_the_default_chain_is_the_recipe_of_the_single_stages(
    number: int, free: tuple[str, ...]
) -> None:
    """In all that a stage looks at; tables of other networks may differ."""
    chained = load_chain(CONFIGS / "default.toml", [], Path("run")).links[number].settings
    single = load_settings(CONFIGS / f"{chained.stage}.toml", [])
    used = {
        "encoder": ("data", "optim", "encoder"),
        "image2feature": ("data", "optim", "loss", "encoder", "image2feature"),
        "feature2image": ("data", "optim", "loss", "query", "encoder", "feature2image"),
    }[chained.stage]
    ours, theirs = (flat(one.model_dump(include=set(used))) for one in (chained, single))
    ignored = {"data.validation", "optim.until", *free}
    if chained.stage == "encoder":
        ignored |= {"data.holes"}  # it sees whole pictures
    assert [n for n in ours if n not in ignored and ours[n] != theirs[n]] == []


def test_the_default_chain_trains_as_long_as_the_packaged_model_was() -> None:
    links = load_chain(CONFIGS / "default.toml", [], Path("run")).links
    assert [x.settings.optim.last_step for x in links] == [3200, 17500, 17000, 4800, 375]
    assert [x.settings.query.prediction for x in links] == [0, 0, 0, 0.75, 0.85]
    assert [x.settings.data.side for x in links] == [64, 128, 256, 256, 256]
    assert links[2].settings.initial_weights == links[1].folder / "network.safetensors"
    assert links[4].settings.initial_weights == links[3].folder / "network.safetensors"
    judges = [x.settings.discriminator.kind for x in links[3:]]
    assert judges == ["patch", "projected"]


def test_settings_know_which_weights_are_to_be_used(path: Path) -> None:
    guess: TrainSettings = load(path).links[1].settings
    assert guess.weights_file == "best.safetensors"
    assert load(path).links[0].settings.weights_file == "network.safetensors"
