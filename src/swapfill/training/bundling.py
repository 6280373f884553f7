"""From finished runs to a bundle that `swapfill inpaint --model FOLDER` takes."""

import json
from pathlib import Path

from torch import nn

from swapfill.bundle import SHARED, BundleConfig, write_sums
from swapfill.config import FillSettings
from swapfill.encoder import CompactEncoder, build_encoder
from swapfill.errors import BundleError, ConfigError, OutputError
from swapfill.files import write_bytes_atomically
from swapfill.networks import Feature2Image, Image2Feature
from swapfill.training.settings import TrainSettings
from swapfill.weights import load_into, parameter_count, save_from

STAGES = ("encoder", "image2feature", "feature2image")


def make_bundle(
    folder: Path, name: str, runs: dict[str, Path], fill: FillSettings, notes: str = ""
) -> BundleConfig:
    """Write a bundle from one finished run of each stage.

    The weights are stored in half precision; the card says how each network was trained.

    Args:
        folder: of the bundle; made if it is not there.
        name: the bundle's.
        runs: the run folders by stage; each holds settings.json and network.safetensors.
        fill: how the networks are best used together.
        notes: Markdown that ends the card: figures, licences, limits.

    Raises:
        ConfigError: a run's settings are missing or of another stage.
        BundleError: a run's weights are missing or do not fit its settings.
        OutputError: the folder cannot be written.
    """
    settings = {stage: run_settings(runs[stage], stage) for stage in STAGES}
    config = BundleConfig(
        name=name,
        encoder=settings["encoder"].encoder,
        image2feature=settings["image2feature"].image2feature,
        feature2image={SHARED: settings["feature2image"].feature2image},
        fill=fill,
    )
    networks: dict[str, nn.Module] = {
        "encoder": build_encoder(config.encoder),
        "image2feature": Image2Feature(config.image2feature),
        "feature2image": Feature2Image(config.feature2image[SHARED]),
    }
    if not isinstance(networks["encoder"], CompactEncoder):
        raise BundleError(f"{runs['encoder']}: the encoder is VGG-19, which no bundle carries")
    for stage, network in networks.items():
        load_into(network, runs[stage] / "network.safetensors")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}, want a folder") from None
    for stage, network in networks.items():
        save_from(network, folder / f"{stage}.safetensors", half=True)
    steps = {stage: _last_step(runs[stage]) for stage in STAGES}
    card = _card(config, settings, steps, networks) + notes
    write_bytes_atomically(folder / "README.md", card.encode())
    write_bytes_atomically(folder / "config.json", config.model_dump_json(indent=2).encode())
    write_sums(folder)
    return config


def run_settings(run: Path, stage: str) -> TrainSettings:
    """Read a run's resolved settings.

    Raises:
        ConfigError: they are missing, or of another stage.
    """
    path = run / "settings.json"
    try:
        settings = TrainSettings.read(json.loads(path.read_text()), str(path))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}, want a run's settings") from None
    if settings.stage != stage:
        raise ConfigError(f"{path}: stage is {settings.stage}, want {stage}")
    return settings


def _last_step(run: Path) -> int:
    """Read how far a run came from its log; 0 without one."""
    log = run / "metrics.jsonl"
    lines = log.read_text().splitlines() if log.is_file() else []
    return int(json.loads(lines[-1])["step"]) if lines else 0


def _card(
    config: BundleConfig,
    settings: dict[str, TrainSettings],
    steps: dict[str, int],
    networks: dict[str, nn.Module],
) -> str:
    rows = [
        f"| {stage} | {parameter_count(networks[stage]):,} | {steps[stage]:,} "
        f"| {steps[stage] * s.optim.batch_size:,} | {s.data.side} "
        f"| {s.optim.learning_rate:g} | {s.optim.precision} | {s.optim.seed} |"
        for stage, s in settings.items()
    ]
    sources = sorted({source.name for s in settings.values() for source in s.data.sources})
    return (
        f"# swapfill model `{config.name}`\n\n"
        "Infer, match, translate (Song et al., 2018): an encoder distilled from VGG-19 relu3_1, "
        "Image2Feature and Feature2Image. Weights are float16 safetensors.\n\n"
        "| network | parameters | steps | squares seen | side, px | rate | precision | seed |\n"
        "|---|--:|--:|--:|--:|--:|---|--:|\n" + "\n".join(rows) + "\n\n"
        f"Training pictures: {', '.join(sources)}.\n\n"
    )
