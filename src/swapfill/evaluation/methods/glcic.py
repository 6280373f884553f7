"""GLCIC (Iizuka et al., 2017; [16]): completed at the side of its training, enlarged, blended."""

from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from swapfill.evaluation.methods.interface import Fill, Method, Wanted, versions
from swapfill.evaluation.methods.runs import about, settings_of, weights_of
from swapfill.evaluation.methods.squares import by_squares

_CONFIG = "glcic.toml"


def _settings(wanted: Wanted) -> dict[str, Any]:
    settings = settings_of(wanted, "glcic", _CONFIG)
    found = {"swapfill": version("swapfill"), "width": settings.glcic.width}
    return (
        found
        | about(Path(wanted.model or ""), settings)
        | versions(wanted.name, cv2="opencv-python-headless")
    )


def _load(wanted: Wanted) -> Fill:
    from swapfill.devices import choose_device
    from swapfill.evaluation.completion import complete_squares
    from swapfill.glcic import CompletionNetwork
    from swapfill.weights import load_into

    settings, device = settings_of(wanted, "glcic", _CONFIG), choose_device(wanted.device)
    network = CompletionNetwork(settings.glcic)
    load_into(network, weights_of(Path(wanted.model or ""), settings))
    network.eval().requires_grad_(False).to(device)
    return by_squares(partial(complete_squares, network, settings.data.side))


GLCIC = Method(
    "glcic",
    "GLCIC (Iizuka et al., 2017), Telea at the seam, Poisson blending",
    describe=_settings,
    load=_load,
    takes_run=True,
)
