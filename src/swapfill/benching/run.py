"""All cases of a run, each in a process of its own, one after the other."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

from swapfill.benching.case import Case, Row
from swapfill.errors import ConfigError

Measure = Callable[[Case], Row]

_ENGINES = (("torch", "fp32"), ("torch", "bf16"), ("onnx", "fp32"))
_OTHERS = ("telea", "navier-stokes", "biharmonic", "patchmatch")
SWAPS = ("gram", "unfold")
# What the libraries read when they are loaded.
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
)


class Asked(NamedTuple):
    """What a run is asked for: sides in pixels, of the picture and of its square hole."""

    side: int = 512
    hole: int = 224
    repeat: int = 5
    model: str = "default"


def cases(asked: Asked) -> list[Case]:
    """List what is measured: ours on each engine, other methods, patch-swap in two ways.

    Raises:
        ConfigError: the hole leaves too little around it.
    """
    if 4 * asked.hole > 3 * asked.side:
        most = 3 * asked.side // 4
        raise ConfigError(f"--hole {asked.hole} in --side {asked.side}, want at most {most}")
    side, hole, repeat, model = asked

    def case(kind: str, name: str, engine: str = "auto", precision: str = "auto") -> Case:
        return Case.model_validate(
            {"kind": kind, "name": name, "side": side, "hole": hole, "repeat": repeat}
            | {"model": model, "engine": engine, "precision": precision}
        )

    ours = [case("ours", f"ours, {name}, {bits}", name, bits) for name, bits in _ENGINES]
    others = [case("method", name) for name in _OTHERS]
    return [*ours, *others, *(case("swap", name) for name in SWAPS)]


def in_child(threads: int) -> Measure:
    """Give what measures a case in a process of its own, with so many threads."""
    environment = os.environ | dict.fromkeys(_THREADS, str(threads))

    def measure(case: Case) -> Row:
        command = [sys.executable, "-m", "swapfill.benching.child", case.model_dump_json()]
        done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=True)
        # Libraries may print while they are loaded: the row is the last line.
        return Row.model_validate_json(done.stdout.splitlines()[-1])

    return measure
