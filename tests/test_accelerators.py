import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from swapfill.engines import accelerators
from swapfill.engines.accelerators import may_accelerate, torch_accelerates

FOR_CPU = """
cuda: Optional[str] = None
git_version = 'cf30'
hip: Optional[str] = None
"""
FOR_CUDA = """
cuda: Optional[str] = '12.8'
hip: Optional[str] = None
"""
FOR_ROCM = """
cuda = None
hip = '6.4'
"""


@pytest.mark.parametrize(
    ("built", "driver", "may"),
    [
        (FOR_CPU, True, False),
        (FOR_CUDA, False, False),
        (FOR_CUDA, True, True),
        (FOR_ROCM, False, True),
        ("", False, True),  # nothing is told: PyTorch is asked
    ],
)
def test_a_build_tells_what_it_is_for(
    built: str, driver: bool, may: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "version.py").write_text(built)
    found = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(accelerators, "find_spec", lambda name: found)
    monkeypatch.setattr(accelerators, "_has_driver", lambda: driver)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert may_accelerate() == may


@pytest.mark.parametrize(("machine", "may"), [("arm64", True), ("x86_64", False)])
def test_apples_own_processors_come_with_an_accelerator(
    machine: str, may: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert may_accelerate() == may


@pytest.mark.parametrize("there", [True, False])
def test_what_may_be_is_asked_of_pytorch(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerators, "may_accelerate", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert torch_accelerates() == there


def test_what_is_not_there_has_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Plan 9")
    assert not accelerators._has_driver()


def test_the_build_that_is_installed_is_read() -> None:
    assert accelerators._without(accelerators._version_file(), "cuda") == (
        torch.version.cuda is None
    )


def test_a_fill_on_the_cpu_does_without_pytorch(
    photo: Path, mask: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    if may_accelerate():
        pytest.skip("this machine may have an accelerator")
    code = (
        "import sys\n"
        "from swapfill.cli import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "assert 'torch' not in sys.modules\n"
    )
    given = [photo, mask, "-o", tmp_path / "out.png", "--model", tiny_bundle]
    command = [sys.executable, "-c", code, "inpaint", *map(str, given)]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
