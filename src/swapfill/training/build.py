"""From settings to a stage and its batches."""

import itertools
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from swapfill.architectures import build_feature2image, build_image2feature
from swapfill.context_encoder import CentreDiscriminator
from swapfill.encoder import VGG19, CompactEncoder, build_encoder
from swapfill.errors import ConfigError, DataError
from swapfill.glcic import CompletionNetwork, GlobalLocalJudge
from swapfill.networks import (
    FeatureImageDiscriminator,
    ImagePairDiscriminator,
    initialise,
)
from swapfill.projected import ProjectedDiscriminator
from swapfill.random_holes import (
    blob_hole,
    box_hole,
    centre_hole,
    close_hole,
    free_form_hole,
    mixed_hole,
)
from swapfill.training import data
from swapfill.training.encoder_stage import EncoderStage
from swapfill.training.feature2image_stage import Feature2ImageStage, Judge
from swapfill.training.glcic_stage import GlcicStage
from swapfill.training.image2feature_stage import Image2FeatureStage
from swapfill.training.loop import Stage
from swapfill.training.mask_folder import MaskFolder
from swapfill.training.photo_store import PhotoStore, open_store
from swapfill.training.settings import DataSettings, TrainSettings
from swapfill.weights import load_into, names_in

Load = Callable[[nn.Module, Path], None]
Batches = Generator[data.Batch, None, None]


def build_stage(settings: TrainSettings, load: Load = load_into, device: str = "cpu") -> Stage:
    """Build the networks of a stage: weights drawn from its seed, frozen parts loaded.

    Args:
        settings: of the stage.
        load: puts a file's weights into a network; a dry run has one that can do without the file.
        device: of the networks.

    Raises:
        ConfigError: a file is not named that is needed.
        BundleError: a file is missing or does not fit.
    """
    builders = {"encoder": _encoder, "image2feature": _image2feature, "glcic": _glcic}
    return builders.get(settings.stage, _feature2image)(settings, load, device)


def _fresh(
    network: nn.Module, settings: TrainSettings, load: Load, device: str, *, salt: int = 0
) -> nn.Module:
    generator = torch.Generator().manual_seed(settings.optim.seed + salt)
    initialise(network, generator)
    if salt == 0 and settings.initial_weights is not None:
        _begin_from(network, settings.initial_weights, load)
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _begin_from(network: nn.Module, path: Path, load: Load) -> None:
    """Load weights; those of a network without context fit one with it, which adds nothing yet."""
    context = getattr(network, "context", None)
    if (
        context is None
        or not path.exists()
        or any(n.startswith("context.") for n in names_in(path))
    ):
        load(network, path)
        return
    network.context = None  # type: ignore[assignment]
    load(network, path)
    network.context = context


def _frozen(network: nn.Module, device: str) -> nn.Module:
    network.requires_grad_(False).eval()
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _vgg(settings: TrainSettings, load: Load, device: str) -> VGG19:
    if settings.vgg is None:
        raise ConfigError("vgg is missing, want the file of VGG-19's weights")
    network = VGG19("relu3_1")
    load(network, settings.vgg)
    _frozen(network, device)
    return network


def _trained_encoder(settings: TrainSettings, load: Load, device: str) -> VGG19 | CompactEncoder:
    if settings.encoder_weights is None:
        raise ConfigError("encoder_weights is missing, want the file of the encoder's weights")
    network = build_encoder(settings.encoder)
    load(network, settings.encoder_weights)
    _frozen(network, device)
    return network


def _encoder(settings: TrainSettings, load: Load, device: str) -> EncoderStage:
    student = CompactEncoder(settings.encoder.width)
    _fresh(student, settings, load, device)
    return EncoderStage(student, _vgg(settings, load, device), settings.optim)


def _image2feature(settings: TrainSettings, load: Load, device: str) -> Image2FeatureStage:
    network = build_image2feature(settings.image2feature)
    _fresh(network, settings, load, device)
    judge: ImagePairDiscriminator | CentreDiscriminator | None = None
    if settings.loss.adversarial:
        judge = (
            CentreDiscriminator(settings.discriminator, settings.data.side)
            if settings.discriminator.kind == "centre"
            else ImagePairDiscriminator(settings.discriminator)
        )
        _fresh(judge, settings, load, device, salt=1)
    asked = settings.loss.feature or settings.loss.head  # else no features are compared
    encoder = _trained_encoder(settings, load, device) if asked else None
    return Image2FeatureStage(network, encoder, judge, settings.optim, settings.loss)


def _feature2image(settings: TrainSettings, load: Load, device: str) -> Feature2ImageStage:
    network = build_feature2image(settings.feature2image)
    _fresh(network, settings, load, device)
    judge: Judge | None = None
    if settings.loss.adversarial:
        judge = _judge_of(settings)
        _fresh(judge, settings, load, device, salt=1)
    looks = settings.loss.perceptual or isinstance(judge, ProjectedDiscriminator)
    vgg = _vgg(settings, load, device) if looks else None
    encoder = _trained_encoder(settings, load, device)
    stage = Feature2ImageStage(network, encoder, judge, vgg, settings.optim, settings.loss)
    stage.tile, stage.tiles = settings.query.tile, settings.query.tiles
    if settings.query.prediction and settings.image2feature_weights is not None:
        guesser = build_image2feature(settings.image2feature)
        load(guesser, settings.image2feature_weights)
        _frozen(guesser, device)
        stage.use_predictions(guesser, settings.query)
    return stage


def _judge_of(settings: TrainSettings) -> Judge:
    """Build the discriminator of Feature2Image."""
    if settings.discriminator.kind == "projected":
        return ProjectedDiscriminator(settings.discriminator)
    if settings.feature2image.guided:
        return ImagePairDiscriminator(settings.discriminator)
    return FeatureImageDiscriminator(settings.discriminator, settings.feature2image.in_channels)


def _glcic(settings: TrainSettings, load: Load, device: str) -> GlcicStage:
    network, judge = (
        CompletionNetwork(settings.glcic),
        GlobalLocalJudge(settings.discriminator, settings.data.side),
    )
    _fresh(network, settings, load, device)
    _fresh(judge, settings, load, device, salt=1)
    return GlcicStage(network, judge, settings.optim, settings.loss, settings.phases)


def batch_source(
    settings: TrainSettings, on_skip: Callable[[str], None]
) -> Callable[[int], Batches]:
    """Open the photographs; the answer gives the batches from a step on.

    Raises:
        DataError: they cannot be read, are too few or too small.
    """
    return source_of(settings, open_photos(settings, on_skip))


def open_photos(settings: TrainSettings, on_skip: Callable[[str], None]) -> PhotoStore:
    """Open the photographs to learn from.

    Raises:
        DataError: they cannot be read, are too few or too small.
    """
    photos, side = _opened(settings, settings.data.sources, on_skip), settings.data.side
    if settings.data.whole < 1 and photos.shortest * settings.data.upscale < side:
        raise DataError(
            f"{_named(settings.data.sources)}: a picture's short side is {photos.shortest} pixels, "
            f"want data.side, {side}, to cut from; or data.whole = 1 to resize whole pictures"
        )
    return photos


def source_of(
    settings: TrainSettings,
    photos: PhotoStore,
    *,
    rank: int = 0,
    ranks: int = 1,
    prepare: Callable[[data.Batch], data.Batch] | None = None,
) -> Callable[[int], Batches]:
    """Give what makes the batches from a step on, ahead of their use; close them to end that.

    Args:
        settings: of the stage.
        photos: to learn from.
        rank: which of the processes that train together this one is.
        ranks: how many they are.
        prepare: done to each batch where it is made, in one of several threads.
    """
    draw = hole_source(settings.data)

    def start(step: int) -> Batches:
        return data.batches(
            photos,
            draw,
            seed=settings.optim.seed,
            batch_size=settings.optim.batch_size,
            side=settings.data.side,
            whole=settings.data.whole,
            start=step,
            rank=rank,
            ranks=ranks,
            workers=settings.data.workers,
            prepare=prepare,
        )

    return start


def fixed_batches(
    settings: TrainSettings, pictures: int, at_once: int, on_skip: Callable[[str], None]
) -> list[data.Batch]:
    """Cut the same batches at every start, whole pictures: of data.validation if it is there."""
    sources = settings.data.validation or settings.data.sources
    photos = _opened(settings, sources, on_skip)
    at_once = min(at_once, pictures, len(photos))
    source = data.batches(
        photos,
        hole_source(settings.data),
        seed=0,
        batch_size=at_once,
        side=settings.data.side,
        whole=1.0,
        start=0,
    )
    return list(itertools.islice(source, min(pictures, len(photos)) // at_once))


def _opened(
    settings: TrainSettings, sources: tuple[str, ...], on_skip: Callable[[str], None]
) -> PhotoStore:
    wanted = settings.data
    store = open_store(
        sources,
        wanted.cache,
        on_skip,
        unreadable=wanted.unreadable,
        keep=wanted.keep,
        workers=wanted.workers,
    )
    if len(store) < 2:
        raise DataError(f"{_named(sources)}: holds one picture, want at least two")
    return store


def _named(sources: tuple[str, ...]) -> str:
    return ", ".join(map(str, sources))


def hole_source(
    settings: DataSettings,
) -> Callable[[np.random.Generator, int], npt.NDArray[np.bool_]]:
    """Give what draws a hole, [side, side], from a random generator.

    Raises:
        DataError: masks are asked for, and there are none or one is no hole.
    """
    if settings.masks is not None:
        return MaskFolder.open(settings.masks, settings.workers).draw

    if settings.holes in _KINDS:
        kind = _KINDS[settings.holes]
        return lambda rng, side: kind(rng, (side, side))

    def draw(rng: np.random.Generator, side: int) -> npt.NDArray[np.bool_]:
        if settings.holes == "centre" or rng.random() < settings.centre_share:
            return centre_hole(side)
        if settings.close_share and rng.random() < settings.close_share:
            return close_hole(rng, (side, side))
        return mixed_hole(rng, (side, side))

    return draw


_KINDS = {"box": box_hole, "free-form": free_form_hole, "blob": blob_hole}
