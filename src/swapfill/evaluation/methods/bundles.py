"""Methods that are this project's own: a bundle's whole pipeline, or its guess alone."""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from swapfill.bundle import SUMS, Bundle, sha256
from swapfill.config import FillSettings
from swapfill.errors import BundleError, ConfigError
from swapfill.evaluation.methods.interface import Fill, Method, Wanted
from swapfill.masks import Hole
from swapfill.pipeline import is_thin, ladder

if TYPE_CHECKING:
    from swapfill.engines.interface import Engine
    from swapfill.inpainter import Floats

_DEFAULT = "default"


def guess_windows(
    engine: "Engine[Any]", incomplete: "Floats", hole: Hole, settings: FillSettings
) -> "Floats":
    """Fill windows by Image2Feature alone, enlarged: what `pipeline.fill_windows` starts from.

    Args:
        engine: runs the network.
        incomplete: I_0, [B, S, S, 3] in [0, 1], 0 in the hole.
        hole: R, [B, S, S].
        settings: the window's; they say at which side Image2Feature is asked.

    Returns:
        I_1, [B, S, S, 3] in [0, 1].
    """
    filled = np.empty_like(incomplete)
    for i, one in enumerate(hole):
        picture, missing = engine.put(incomplete[i : i + 1], hole[i : i + 1])
        first = ladder(len(one), settings, thin=is_thin(one))[0]
        known, here = engine.resize(picture, first), engine.shrink(missing, first)
        guess, _ = engine.infer(known, here)
        filled[i] = engine.get(engine.resize(guess, len(one)))[0]
    return filled


def describe_guesser(wanted: Wanted) -> dict[str, Any]:
    """Say which Image2Feature a bundle has: of the bundle, all that its guess depends on.

    Raises:
        BundleError: there is no such bundle, or its weights are damaged.
    """
    bundle = Bundle.open(wanted.model or _DEFAULT)
    return {
        "image2feature": bundle.config.image2feature.model_dump(mode="json"),
        "sha256": sha256(bundle.weights("image2feature")),
        "engine": wanted.engine,
        "device": wanted.device,
        "precision": wanted.precision,
    }


def _settings(wanted: Wanted) -> dict[str, Any]:
    bundle = Bundle.open(wanted.model or _DEFAULT)
    sums = bundle.folder / SUMS
    if not sums.is_file():
        raise BundleError(f"{sums}: not there, want the bundle's checksums")
    return {
        "swapfill": version("swapfill"),
        "model": bundle.config.name,
        "fill": bundle.fill_settings(wanted.options).model_dump(mode="json"),
        "sums": sums.read_text(encoding="utf-8").split(),
        "engine": wanted.engine,
        "device": wanted.device,
        "precision": wanted.precision,
    }


def _paper_settings(wanted: Wanted) -> dict[str, Any]:
    if wanted.model is None:
        raise ConfigError(
            f"method {wanted.name}: no weights of it are packaged; train them (swapfill train "
            "configs/paper-imagenet.toml), then give --model FOLDER or --methods paper=FOLDER"
        )
    return _settings(wanted)


def _load(wanted: Wanted) -> Fill:
    from swapfill.inpainter import Inpainter

    asked: dict[str, Any] = {
        "engine": wanted.engine,
        "device": wanted.device,
        "precision": wanted.precision,
    }
    return Inpainter.load(wanted.model or _DEFAULT, **asked, **wanted.options).fill


def _load_guess(wanted: Wanted) -> Fill:
    from swapfill.engines import load_engine
    from swapfill.inpainter import Inpainter

    bundle = Bundle.open(wanted.model or _DEFAULT)
    engine = load_engine(wanted.engine, bundle, wanted.device, wanted.precision)
    return Inpainter(engine, bundle.config.fill, fill_windows=guess_windows).fill


DEFAULT = Method(
    _DEFAULT,
    "this project's packaged model",
    describe=_settings,
    load=_load,
    settings=FillSettings,
)
PAPER = Method(
    "paper",
    "the networks and matching as Song et al. (2018) give them",
    describe=_paper_settings,
    load=_load,
    takes_model=True,
    settings=FillSettings,
)
GUESS = Method(
    "guess",
    "Image2Feature alone, enlarged and blended as the whole pipeline is",
    describe=lambda wanted: _settings(wanted) | {"part": "image2feature, at the first scale"},
    load=_load_guess,
    takes_model=True,
)
# Of a row that the user names: NAME=FOLDER.
OWN = Method(
    "own",
    "a bundle of one's own",
    describe=_settings,
    load=_load,
    takes_model=True,
    settings=FillSettings,
)
