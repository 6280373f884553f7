"""The journal of a folder's results: which picture was done, from what, and what came of it.

A small database in the output folder, a transaction for each picture: a run that is killed leaves
it whole, and a million pictures need no memory. Pictures are known by their names (`folders`).
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from swapfill.errors import OutputError

# Names, and errors that name them, are bytes: a file may be called what is no text.
_FORMAT = 1  # of the tables, as `PRAGMA user_version`
_TABLES = """
CREATE TABLE IF NOT EXISTS done (name BLOB PRIMARY KEY, source TEXT, result TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failed (name BLOB PRIMARY KEY, error BLOB) WITHOUT ROWID;
"""


class Entry(NamedTuple):
    """What is known of a picture that was done: two SHA-256 sums.

    `source` is of all that the result depends on: picture, mask, settings and model; `result` is
    of the file that was written.
    """

    source: str
    result: str


class Journal:
    """An open journal; make one by `open_journal`. For one thread."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def entry(self, name: str) -> Entry | None:
        """Tell what is known of a picture; None if it was never done."""
        row = self._database.execute(
            "SELECT source, result FROM done WHERE name = ?", (os.fsencode(name),)
        ).fetchone()
        return None if row is None else Entry(*row)

    def done(self, name: str, entry: Entry) -> None:
        """Write down that a picture is done; it is on the disk when this returns."""
        with self._database:
            self._database.execute(
                "INSERT OR REPLACE INTO done VALUES (?, ?, ?)", (os.fsencode(name), *entry)
            )

    def failed(self, name: str, error: str) -> None:
        """Write down why a picture, or a folder, could not be done in this run."""
        with self._database:
            self._database.execute(
                "INSERT OR REPLACE INTO failed VALUES (?, ?)",
                (os.fsencode(name), os.fsencode(error)),
            )

    def failures(self) -> Iterator[tuple[str, str]]:
        """Give the names and errors of this run, sorted by name."""
        for name, error in self._database.execute("SELECT name, error FROM failed ORDER BY name"):
            yield os.fsdecode(name), os.fsdecode(error)


@contextmanager
def open_journal(folder: Path) -> Iterator[Journal]:
    """Open the journal in a folder, made if need be, for this process alone.

    Failures of earlier runs are forgotten: what failed is tried again.

    Raises:
        OutputError: another run has it open, it is damaged or of another version, or the folder
            cannot be written to.
    """
    path = folder / "journal.sqlite"
    lock = FileLock(folder / "lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        raise OutputError(f"{folder}: another run writes there, want it to end first") from None
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from error
    try:
        with closing(_opened(path)) as database:
            yield Journal(database)
    except sqlite3.Error as error:
        raise OutputError(f"{path}: {error}; without this file all is done anew") from error
    finally:
        lock.release(force=True)


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    try:
        # A rollback journal works on a network's folders too, which a write-ahead log does not.
        database.execute("PRAGMA journal_mode = TRUNCATE")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version not in (0, _FORMAT):
            raise OutputError(f"{path}: has the format {version}, want {_FORMAT}")
        with database:
            database.executescript(_TABLES)
            database.execute(f"PRAGMA user_version = {_FORMAT}")
            database.execute("DELETE FROM failed")
    except BaseException:
        database.close()
        raise
    return database
