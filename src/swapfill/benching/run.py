"""All cases of a run, each in a process of its own, one after the other."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from swapfill.benching.case import Case, Row
from swapfill.benching.forward import check_file
from swapfill.errors import ConfigError

Measure = Callable[[Case], Row]

_ENGINES = (("torch", "fp32"), ("torch", "bf16"), ("onnx", "fp32"), ("onnx", "int8"))
_OTHERS = ("telea", "navier-stokes", "biharmonic", "patchmatch")
NETWORKS = (
    "lama",
    "migan",
)  # that people compare with; neither comes as a package with an ONNX file
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
    others: tuple[tuple[str, str], ...] = ()  # networks: a name, an ONNX file


def read_others(given: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Read `NAME=FILE.onnx`, each of which may be given once.

    Raises:
        ConfigError: one is written otherwise, there twice, or its file is none.
    """
    found: dict[str, str] = {}
    for one in given:
        name, equals, file = one.partition("=")
        if not (name and equals and file):
            raise ConfigError(f"--other {one}: want NAME=FILE.onnx")
        if name in found:
            raise ConfigError(f"--other {one}: {name} is given twice, want each name once")
        check_file(Path(file))
        found[name] = file
    return tuple(found.items())


def cases(asked: Asked) -> list[Case]:
    """List what is measured: ours on each engine, other methods and networks, patch-swap twice.

    Raises:
        ConfigError: the hole leaves too little around it.
    """
    if 4 * asked.hole > 3 * asked.side:
        most = 3 * asked.side // 4
        raise ConfigError(f"--hole {asked.hole} in --side {asked.side}, want at most {most}")
    side, hole, repeat, model, others = asked

    def case(kind: str, name: str, engine: str = "auto", precision: str = "auto") -> Case:
        return Case.model_validate(
            {"kind": kind, "name": name, "side": side, "hole": hole, "repeat": repeat}
            | {"model": model, "engine": engine, "precision": precision}
        )

    ours = [case("ours", f"ours, {name}, {bits}", name, bits) for name, bits in _ENGINES]
    methods = [case("method", name) for name in _OTHERS]
    networks = [case("forward", name).model_copy(update={"file": file}) for name, file in others]
    return [*ours, *methods, *networks, *(case("swap", name) for name in SWAPS)]


def not_given(asked: Asked) -> list[Row]:
    """Name the networks that people compare with and no file was given for."""
    given = dict(asked.others)
    missing = "no file was given, want --other {0}=FILE.onnx"
    return [
        Row(name=name, kind="forward", missing=missing.format(name))
        for name in NETWORKS
        if name not in given
    ]


def in_child(threads: int) -> Measure:
    """Give what measures a case in a process of its own, with so many threads."""
    environment = os.environ | dict.fromkeys(_THREADS, str(threads))

    def measure(case: Case) -> Row:
        command = [sys.executable, "-m", "swapfill.benching.child", case.model_dump_json()]
        done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=False)
        if done.returncode:  # such as killed, for it took all the memory
            ended = f"its process ended with {done.returncode}"
            return Row(name=case.name, kind=case.kind, missing=ended)
        # Libraries may print while they are loaded: the row is the last line.
        return Row.model_validate_json(done.stdout.splitlines()[-1])

    return measure
