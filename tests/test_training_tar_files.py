"""Pictures in tar files, in place."""

import io
import pickle
import tarfile
from pathlib import Path

import pytest

from photo_files import as_tar, png, tar_of
from swapfill.errors import DataError
from swapfill.training.tar_files import members


def test_a_member_is_found_where_it_lies(tmp_path: Path) -> None:
    inner = tar_of({"c.png": png(2)})
    path = as_tar({"a.png": png(0), "sub/b.JPG": png(1), "in.tar": inner}, tmp_path / "x.tar")
    whole = path.read_bytes()
    found = list(members(path, "shown"))
    assert [held.name for held in found] == ["a.png", "sub/b.JPG", "in.tar/c.png"]
    for i, held in enumerate(found):
        assert (held.source, held.file, held.content) == ("shown", path, None)
        assert whole[held.offset : held.offset + held.size] == held.read() == png(i)


def test_a_tar_in_a_tar_in_a_tar_is_left_alone(tmp_path: Path) -> None:
    inner = tar_of({"deeper.tar": tar_of({"a.png": png(0)}), "b.png": png(1)})
    found = list(members(as_tar({"in.tar": inner}, tmp_path / "x.tar"), "x"))
    assert [held.name for held in found] == ["in.tar/b.png"]


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_what_is_compressed_comes_with_its_content(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(tar_of({"a.png": png(0), "in.tar": tar_of({"b.png": png(1)})}, mode))
    assert [held.content for held in members(path, "x")] == [png(0), png(1)]


def test_a_compressed_tar_in_a_plain_one_comes_with_its_content(tmp_path: Path) -> None:
    inner = tar_of({"b.png": png(1)}, "w:gz")
    found = list(members(as_tar({"a.png": png(0), "in.tar": inner}, tmp_path / "x.tar"), "x"))
    assert [held.content for held in found] == [None, png(1)]
    assert [held.read() for held in found] == [png(0), png(1)]


def test_a_member_with_gaps_comes_with_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes do not lie in one piece."""
    monkeypatch.setattr(tarfile.TarInfo, "issparse", lambda _: True)
    (held,) = members(as_tar({"a.png": png(0)}, tmp_path / "x.tar"), "x")
    assert held.content == png(0)


class Trap:
    """Unpickled, it makes a file."""

    def __init__(self, there: Path) -> None:
        self.there = there

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.there,)


@pytest.mark.parametrize("suffix", ["pkl", "pyd", "pickle", "pth", "pt", "npy", "png"])
def test_nothing_in_a_shard_is_unpickled(suffix: str, tmp_path: Path) -> None:
    from swapfill.training.photo_store import open_store

    trap = pickle.dumps(Trap(tmp_path / "there"))
    pickle.loads(trap)  # it is one
    (tmp_path / "there").unlink()
    as_tar({"0.jpg": png(0), f"0.{suffix}": trap, "1.png": png(1)}, tmp_path / "s-0.tar")
    store = open_store([f"{tmp_path}/s-{{0..0}}.tar"], tmp_path / "cache")
    assert len(store) == 2
    assert not (tmp_path / "there").exists()


def test_links_and_folders_called_like_pictures_are_left_alone(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE):
            link = tarfile.TarInfo("a.png")
            link.type, link.linkname = kind, "/etc/passwd"
            archive.addfile(link)
    (tmp_path / "x.tar").write_bytes(out.getvalue())
    assert list(members(tmp_path / "x.tar", "x")) == []


def test_a_damaged_header_in_the_middle_is_refused(tmp_path: Path) -> None:
    """`tarfile` takes it for the end."""
    path = as_tar({"a.png": png(0), "b.png": png(1), "c.png": png(2)}, tmp_path / "x.tar")
    whole = bytearray(path.read_bytes())
    at = whole.index(b"b.png")
    whole[at : at + 512] = b"\xaa" * 512
    path.write_bytes(whole)
    with pytest.raises(DataError, match="shown: not a whole tar file, nor a folder"):
        list(members(path, "shown"))


def test_a_tar_without_the_blocks_that_end_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(tar_of({"a.png": png(0)}).rstrip(b"\0").ljust(512 * 4, b"\0"))
    assert [held.name for held in members(path, "x")] == ["a.png"]


def test_the_headers_of_members_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, next_ = [], tarfile.TarFile.next

    def count(archive: tarfile.TarFile) -> tarfile.TarInfo | None:
        kept.append(len(archive.members))  # type: ignore[attr-defined]
        return next_(archive)

    monkeypatch.setattr(tarfile.TarFile, "next", count)
    path = as_tar({f"{i}.png": png(i) for i in range(20)}, tmp_path / "x.tar")
    assert len(list(members(path, "x"))) == 20
    assert max(kept) <= 1
