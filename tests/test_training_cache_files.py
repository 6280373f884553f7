"""Files that are made once, whole or not at all."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO

import pytest

from swapfill.training.cache_files import make_once


def whole(out: BinaryIO) -> None:
    out.write(b"whole")


def test_a_file_is_made_once_in_a_folder_that_is_made_too(tmp_path: Path) -> None:
    path, made = tmp_path / "new" / "file", list[int]()

    def make(out: BinaryIO) -> None:
        made.append(out.write(b"whole"))

    for _ in range(2):
        make_once(path, make)
    assert path.read_bytes() == b"whole"
    assert made == [5]


def test_what_fails_leaves_nothing_and_is_tried_again(tmp_path: Path) -> None:
    def fail(out: BinaryIO) -> None:
        out.write(b"half")
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        make_once(tmp_path / "file", fail)
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == []
    make_once(tmp_path / "file", whole)
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_others_wait_for_the_one_that_makes_it(tmp_path: Path) -> None:
    inside, go_on, made = threading.Event(), threading.Event(), list[int]()

    def make(out: BinaryIO) -> None:
        inside.set()
        go_on.wait(5)
        made.append(out.write(b"whole"))

    threads = [threading.Thread(target=make_once, args=(tmp_path / "file", make)) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert inside.wait(5)
    assert not (tmp_path / "file").exists()
    go_on.set()
    for thread in threads:
        thread.join()
    assert made == [5]


KILLED = """
import os, signal, sys
from pathlib import Path
from swapfill.training.cache_files import make_once

def make(out):
    out.write(b"half of it, and more than what comes after")
    out.flush()
    os.kill(os.getpid(), signal.SIGKILL)

make_once(Path(sys.argv[1]), make)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_after_a_kill_it_is_made_from_the_start(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "file"], check=False)
    assert done.returncode == -9
    assert (tmp_path / "file.part").exists()
    make_once(tmp_path / "file", whole)
    assert (tmp_path / "file").read_bytes() == b"whole"
    assert not (tmp_path / "file.part").exists()
