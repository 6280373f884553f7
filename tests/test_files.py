import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from swapfill.errors import OutputError
from swapfill.files import write_atomically, write_bytes_atomically


def full_disk(file: BinaryIO) -> None:
    file.write(b"half of the new")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def broken_encoder(file: BinaryIO) -> None:
    file.write(b"half of the new")
    raise ZeroDivisionError("a fault of ours")


@pytest.mark.parametrize(
    ("write", "error"), [(full_disk, OutputError), (broken_encoder, ZeroDivisionError)]
)
def test_a_failing_writer_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, write: Callable[[BinaryIO], None], error: type[Exception]
) -> None:
    target = tmp_path / "photo.png"
    target.write_bytes(b"old")
    with pytest.raises(error):
        write_atomically(target, write)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failing_writer_leaves_no_file_where_there_was_none(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        write_atomically(tmp_path / "photo.png", full_disk)
    assert list(tmp_path.iterdir()) == []


def test_the_old_file_is_whole_until_the_new_one_is(tmp_path: Path) -> None:
    target = tmp_path / "photo.png"
    target.write_bytes(b"old")
    seen: list[bytes] = []

    def write(file: BinaryIO) -> None:
        file.write(b"new")
        file.flush()
        seen.append(target.read_bytes())

    write_atomically(target, write)
    assert seen == [b"old"]
    assert target.read_bytes() == b"new"


def test_a_full_disk_is_one_line_with_path_and_reason(tmp_path: Path) -> None:
    target = tmp_path / "photo.png"
    with pytest.raises(OutputError) as caught:
        write_atomically(target, full_disk)
    assert str(caught.value) == f"{target}: cannot be written: No space left on device"


@pytest.mark.parametrize(
    ("where", "reason"), [("nowhere/photo.png", "No such file"), (".", "it is a folder")]
)
def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path, where: str, reason: str) -> None:
    with pytest.raises(OutputError, match=reason):
        write_bytes_atomically(tmp_path / where, b"new")


@pytest.mark.skipif(os.name != "posix", reason="permission bits of POSIX")
def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    target = tmp_path / "photo.png"
    target.write_bytes(b"old")
    target.chmod(0o640)
    write_bytes_atomically(target, b"new")
    assert target.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.name != "posix", reason="permission bits of POSIX")
def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    write_bytes_atomically(tmp_path / "photo.png", b"new")
    assert (tmp_path / "photo.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
def test_a_file_is_replaced_in_one_step_and_never_written_into(tmp_path: Path) -> None:
    target, other_name = tmp_path / "photo.png", tmp_path / "the same file"
    target.write_bytes(b"old")
    other_name.hardlink_to(target)
    write_bytes_atomically(target, b"new")
    assert (target.read_bytes(), other_name.read_bytes()) == (b"new", b"old")


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
def test_a_link_stays_a_link_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "target.png").write_bytes(b"old")
    link = tmp_path / "link.png"
    link.symlink_to("target.png")
    write_bytes_atomically(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "target.png").read_bytes() == b"new"
