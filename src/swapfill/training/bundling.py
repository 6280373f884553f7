"""From finished runs to a bundle that `swapfill inpaint --model FOLDER` takes."""

from pathlib import Path

from torch import nn

from swapfill.architectures import build_feature2image, build_image2feature
from swapfill.bundle import SHARED, BundleConfig, write_sums
from swapfill.config import FillSettings
from swapfill.encoder import build_encoder
from swapfill.errors import OutputError
from swapfill.files import write_bytes_atomically
from swapfill.training.past_run import last_step, run_settings
from swapfill.training.settings import TrainSettings
from swapfill.weights import load_into, parameter_count, save_from


def make_bundle(
    folder: Path,
    name: str,
    runs: dict[str, Path],
    fill: FillSettings,
    *,
    description: str = "",
    notes: str = "",
) -> BundleConfig:
    """Write a bundle from one finished run of each part.

    The weights are stored in half precision; the card says how each network was trained.

    Args:
        folder: of the bundle; made if it is not there.
        name: the bundle's.
        runs: the run folders by part: `image2feature`; `feature2image`, or one
            `feature2image-SIDE` for each scale; and `encoder`, unless the others were trained with
            one that was there before, which is then copied.
        fill: how the networks are best used together.
        description: one line for `swapfill models list`.
        notes: Markdown that ends the card: figures, licences, limits.

    Raises:
        ConfigError: a run's settings are missing or of another stage.
        BundleError: a run's weights are missing or do not fit its settings.
        OutputError: the folder cannot be written.
    """
    settings = {part: run_settings(runs[part], part.partition("-")[0]) for part in runs}
    user = settings["image2feature"]  # of the encoder
    config = BundleConfig(
        name=name,
        description=description,
        encoder=settings["encoder"].encoder if "encoder" in settings else user.encoder,
        image2feature=user.image2feature,
        feature2image={
            part.partition("-")[2] or SHARED: one.feature2image
            for part, one in settings.items()
            if part.startswith("feature2image")
        },
        fill=fill,
    )
    networks = _networks(config, settings)
    for part, network in networks.items():
        if part in runs:
            load_into(network, runs[part] / settings[part].weights_file)
        else:
            load_into(network, user.encoder_weights or Path())
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}, want a folder") from None
    for part, network in networks.items():
        save_from(network, folder / f"{part}.safetensors", half=True)
    steps = {part: last_step(runs[part]) for part in runs}
    card = _card(config, settings, steps, networks) + notes
    write_bytes_atomically(folder / "README.md", card.encode())
    write_bytes_atomically(folder / "config.json", config.model_dump_json(indent=2).encode())
    write_sums(folder)
    return config


def _networks(config: BundleConfig, settings: dict[str, TrainSettings]) -> dict[str, nn.Module]:
    networks: dict[str, nn.Module] = {
        "encoder": build_encoder(config.encoder),
        "image2feature": build_image2feature(config.image2feature),
    }
    for part, one in settings.items():
        if part.startswith("feature2image"):
            networks[part] = build_feature2image(one.feature2image)
    return networks


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
    encoder = (
        "an encoder distilled from VGG-19 relu3_1"
        if config.encoder.kind == "compact"
        else f"VGG-19's {config.encoder.layer} (its weights have a licence of their own)"
    )
    sources = sorted({Path(name).name for s in settings.values() for name in s.data.sources})
    return (
        f"# swapfill model `{config.name}`\n\n"
        f"Infer, match, translate (Song et al., 2018): {encoder}, "
        "Image2Feature and Feature2Image. Weights are float16 safetensors.\n\n"
        "| network | parameters | steps | squares seen | side, px | rate | precision | seed |\n"
        "|---|--:|--:|--:|--:|--:|---|--:|\n" + "\n".join(rows) + "\n\n"
        f"Training pictures: {', '.join(sources)}.\n\n"
    )
