"""The Context Encoder (Pathak et al., 2016; [27]), at 128 and enlarged, as Table 1 judged it."""

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swapfill.errors import ConfigError
from swapfill.evaluation.methods.interface import Fill, Method, Wanted
from swapfill.evaluation.methods.runs import about, settings_of, weights_of
from swapfill.evaluation.methods.squares import by_squares
from swapfill.training.settings import TrainSettings

if TYPE_CHECKING:
    from swapfill.engines.torch_engine import TorchEngine

_CONFIG = "context-encoder.toml"


def describe_run(wanted: Wanted) -> dict[str, Any]:
    """Say which Context Encoder a run has trained.

    Raises:
        ConfigError: the run is none, or of another network.
    """
    settings = _settings(wanted)
    network = settings.image2feature.model_dump(mode="json", include={"width", "bottleneck"})
    return about(Path(wanted.model or ""), settings) | network


def load_engine_of(wanted: Wanted) -> "TorchEngine":
    """Load a run's Context Encoder into an engine that can do nothing but infer.

    Raises:
        ConfigError, BundleError: the run is none, or of another network.
        DeviceError: there is no such device.
    """
    import torch
    from torch import nn

    from swapfill.context_encoder import ContextEncoder
    from swapfill.devices import choose_device
    from swapfill.engines.torch_engine import TorchEngine
    from swapfill.weights import load_into

    settings, device = _settings(wanted), choose_device(wanted.device)
    network = ContextEncoder(settings.image2feature)
    load_into(network, weights_of(Path(wanted.model or ""), settings))
    network.eval().requires_grad_(False).to(device)
    return TorchEngine(nn.Identity(), network, {}, device, torch.float32)


def _settings(wanted: Wanted) -> TrainSettings:
    settings = settings_of(wanted, "image2feature", _CONFIG)
    kind = settings.image2feature.kind
    if kind != "context_encoder":
        raise ConfigError(
            f"{wanted.model}: image2feature.kind is {kind!r}, want that of a context_encoder"
        )
    return settings


def _load(wanted: Wanted) -> Fill:
    from swapfill.evaluation.guessing import enlarged, small_guess

    engine = load_engine_of(wanted)
    return by_squares(lambda known, hole: enlarged(small_guess(engine, known, hole), known, hole))


CONTEXT_ENCODER = Method(
    "context-encoder",
    "Context Encoder (Pathak et al., 2016) at 128, enlarged bilinearly, pasted",
    describe=lambda wanted: {"swapfill": version("swapfill")} | describe_run(wanted),
    load=_load,
    takes_run=True,
)
