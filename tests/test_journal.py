import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from swapfill.errors import OutputError
from swapfill.journal import Entry, open_journal

ODD = b"a/\xff\xe9.jpg".decode("utf-8", "surrogateescape")  # a name that is no UTF-8


def test_what_is_done_is_known_to_the_next_run(tmp_path: Path) -> None:
    with open_journal(tmp_path / "state") as journal:
        assert journal.entry("a.jpg") is None
        journal.done("a.jpg", Entry("1", "2"))
        journal.done(ODD, Entry("3", "4"))
        journal.done("a.jpg", Entry("5", "6"))
    with open_journal(tmp_path / "state") as journal:
        assert journal.entry("a.jpg") == Entry("5", "6")
        assert journal.entry(ODD) == Entry("3", "4")


def test_failures_are_those_of_this_run_in_order(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        journal.failed("z.jpg", "of an earlier run")
    with open_journal(tmp_path) as journal:
        for name in ("b.jpg", ODD, "a.jpg"):
            journal.failed(name, f"why {name}")
        assert [name for name, _ in journal.failures()] == ["a.jpg", ODD, "b.jpg"]


def test_a_run_that_is_killed_keeps_all_that_was_written_down(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, swapfill.journal as j\n"
        f"with j.open_journal(pathlib.Path({str(tmp_path)!r})) as journal:\n"
        "    for i in range(20): journal.done(f'{i}.jpg', j.Entry(str(i), ''))\n"
        "    os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    with open_journal(tmp_path) as journal:
        assert [journal.entry(f"{i}.jpg") for i in (0, 19)] == [Entry("0", ""), Entry("19", "")]


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path) -> None:
    with (
        open_journal(tmp_path),
        pytest.raises(OutputError, match="another run"),
        open_journal(tmp_path),
    ):
        pass
    with open_journal(tmp_path):
        pass


@pytest.mark.parametrize(("kind", "words"), [("text", "not a database"), ("newer", "format 99")])
def test_a_journal_that_is_none_is_refused_in_one_line(
    tmp_path: Path, kind: str, words: str
) -> None:
    path = tmp_path / "journal.sqlite"
    if kind == "text":
        path.write_text("no journal " * 99)
    else:
        database = sqlite3.connect(path)
        database.execute("PRAGMA user_version = 99")
        database.close()
    with pytest.raises(OutputError, match=words) as refused, open_journal(tmp_path):
        pass
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
    path.unlink()
    with open_journal(tmp_path):  # it is not locked any more
        pass


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match="cannot be written"),
        open_journal(tmp_path / "file" / "state"),
    ):
        pass
