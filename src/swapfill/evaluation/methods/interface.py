"""What a method is: something that fills a hole, and says by which settings."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from swapfill.config import Settings
from swapfill.errors import ConfigError
from swapfill.masks import Hole

Pixels: TypeAlias = NDArray[np.uint8]  # [H, W, 3], RGB
# Gives a new picture of the same shape. The picture it is given is black in the hole, of which at
# least a pixel is missing and at least one known.
Fill: TypeAlias = Callable[[Pixels, Hole], Pixels]


@dataclass(frozen=True)
class Wanted:
    """What the command asks of a method; one that needs no model or device ignores them."""

    name: str  # of the row, for messages
    model: str | None = None  # a bundle's folder, a packaged model's name, or that of a run
    engine: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    vgg: str | None = None  # VGG-19's weights, safetensors; None: torchvision's, if they are there
    options: dict[str, Any] = field(default_factory=dict)  # of `--set`, by name


Load: TypeAlias = Callable[[Wanted], Fill]


@dataclass(frozen=True)
class Method:
    """A way to fill holes.

    Attributes:
        name: as in `--methods`.
        about: one line for the list of methods, and for the report.
        describe: gives all that the pictures depend on (weights, parameters, versions), as JSON
            has it: a picture is filled again when it changes. Quick, imports no torch, and raises
            a `SwapfillError` where the method cannot work.
        load: gives what fills; called once, in a process of the method's own, which finds it by
            its name: a function of a module, no lambda.
        takes_model: `NAME=FOLDER` gives it a model, and so does `--model`.
        takes_run: `NAME=FOLDER` gives it the folder of a training run.
        settings: what `--set NAME.SETTING=VALUE` sets, where there is something to set.
    """

    name: str
    about: str
    describe: Callable[[Wanted], dict[str, Any]]
    load: Load
    takes_model: bool = False
    takes_run: bool = False
    settings: type[Settings] | None = None


def versions(method: str, **packages: str) -> dict[str, str]:
    """Give the versions of packages, each as `name_to_import="name-to-install"`.

    Raises:
        ConfigError: one is not installed.
    """
    for module, package in packages.items():
        if find_spec(module) is None:
            raise ConfigError(
                f"method {method}: the package {package} is missing, want: pip install {package}"
            )
    return {package: version(package) for package in packages.values()}
