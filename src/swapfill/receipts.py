"""Receipts: small files that say what a worker has done, until the journal says so.

A journal is for one process. Workers on other machines, whose word may be lost with them, leave a
receipt for each picture before they put its result in its place: where both are, it is done.
"""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from swapfill.errors import OutputError
from swapfill.files import write_bytes_atomically
from swapfill.journal import Entry


@dataclass(frozen=True)
class Receipts:
    """Receipts in a folder `receipts` of the folder `state`."""

    state: Path

    def write(self, name: str, entry: Entry) -> None:
        """Leave a receipt for a picture; raises `OutputError` if it cannot be written."""
        path = self._path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{path.parent}: cannot be made: {error.strerror or error}"
            ) from error
        write_bytes_atomically(path, json.dumps(entry).encode())

    def read(self, name: str) -> Entry | None:
        """Give a picture's receipt; None if it has none."""
        try:
            source, result = json.loads(self._path(name).read_bytes())
        except (OSError, ValueError):  # not there; or cut short by a machine that lost power
            return None
        return Entry(source, result)

    def discard(self, name: str) -> None:
        """Take a receipt away, if there is one."""
        self._path(name).unlink(missing_ok=True)

    def clear(self) -> None:
        """Take away what is left."""
        shutil.rmtree(self.state / "receipts", ignore_errors=True)

    def _path(self, name: str) -> Path:
        digest = hashlib.sha256(os.fsencode(name)).hexdigest()
        return self.state / "receipts" / digest[:2] / f"{digest}.json"
