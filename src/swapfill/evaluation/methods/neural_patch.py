"""Multi-scale neural patch synthesis (Yang et al., 2017; [35]), from a coarse guess."""

from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from swapfill.evaluation.methods import bundles, context_encoder
from swapfill.evaluation.methods.interface import Fill, Method, Wanted
from swapfill.evaluation.methods.squares import by_squares
from swapfill.evaluation.settings import NeuralPatchSettings
from swapfill.evaluation.vgg_file import describe_vgg

if TYPE_CHECKING:
    from swapfill.engines.interface import Engine


def _settings(wanted: Wanted) -> dict[str, Any]:
    """Say whose guess it starts from, and what it minimises."""
    ours = wanted.model is None
    describe = bundles.describe_guesser if ours else context_encoder.describe_run
    return {
        "swapfill": version("swapfill"),
        "guess of": "the packaged Image2Feature" if ours else "a Context Encoder",
        "guess": describe(wanted),
        "vgg": describe_vgg(wanted.vgg),
    } | _own(wanted).model_dump(mode="json")


def _own(wanted: Wanted) -> NeuralPatchSettings:
    return NeuralPatchSettings.read(wanted.options, f"--set {wanted.name}")


def _load(wanted: Wanted) -> Fill:
    from swapfill.devices import choose_device
    from swapfill.evaluation.patch_synthesis import synthesise_squares
    from swapfill.evaluation.vgg_file import load_vgg

    vgg = load_vgg(wanted.vgg).to(choose_device(wanted.device))
    return by_squares(partial(synthesise_squares, _guesser(wanted), vgg, _own(wanted)))


def _guesser(wanted: Wanted) -> "Engine[Any]":
    from swapfill.bundle import Bundle
    from swapfill.engines import load_engine

    if wanted.model is not None:
        return context_encoder.load_engine_of(wanted)
    engine = "torch" if wanted.engine == "auto" else wanted.engine  # its guess is a tensor
    return load_engine(engine, Bundle.open("default"), wanted.device, wanted.precision)


NEURAL_PATCH = Method(
    "neural-patch",
    "neural patch synthesis (Yang et al., 2017), L-BFGS on the pixels at three scales, pasted",
    describe=_settings,
    load=_load,
    takes_run=True,
    settings=NeuralPatchSettings,
)
