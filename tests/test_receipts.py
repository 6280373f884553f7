from pathlib import Path

import pytest

from swapfill.errors import OutputError
from swapfill.journal import Entry
from swapfill.receipts import Receipts


def test_a_receipt_is_there_until_it_is_taken_away(tmp_path: Path) -> None:
    receipts, odd = Receipts(tmp_path), b"a/\xff.jpg".decode("utf-8", "surrogateescape")
    for name in ("a/b.jpg", odd):
        assert receipts.read(name) is None
        receipts.write(name, Entry("1", "2"))
        assert receipts.read(name) == Entry("1", "2")
    receipts.discard("a/b.jpg")
    receipts.discard("a/b.jpg")
    assert receipts.read("a/b.jpg") is None
    assert receipts.read(odd) == Entry("1", "2")
    receipts.clear()
    assert list(tmp_path.iterdir()) == []


def test_a_receipt_that_is_cut_short_is_none(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path)
    receipts.write("a.jpg", Entry("1", "2"))
    (path,) = tmp_path.rglob("*.json")
    path.write_text('["1"')
    assert receipts.read("a.jpg") is None


def test_a_receipt_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "receipts").touch()
    with pytest.raises(OutputError, match="receipts"):
        Receipts(tmp_path).write("a.jpg", Entry("1", "2"))
