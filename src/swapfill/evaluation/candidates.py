"""What stands in a row of the table: a method of ours, or pictures that another program made."""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from swapfill.errors import ConfigError, ImageError
from swapfill.evaluation.cases import Case
from swapfill.evaluation.methods import find
from swapfill.evaluation.methods.interface import Method, Wanted
from swapfill.evaluation.pictures import PictureFolder, to_bytes
from swapfill.evaluation.worker import Filled, FillError, Worker
from swapfill.images import Photograph

COLUMNS = ("truth", "input")  # of the grid of pictures, beside the rows' own
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")  # it names a folder of the report


class Candidate(Protocol):
    """A row of the table.

    Attributes:
        name: of the row.
        about: what it is, one line.
        settings: all that its pictures depend on, as JSON has it.
        keeps: its pictures are to be kept in the report's folder: they are nowhere else.
    """

    name: str
    about: str
    settings: dict[str, Any]
    keeps: bool

    def key(self, case: Case) -> str:
        """Give a digest that is another one whenever the filled picture might be.

        Raises:
            FillError: it cannot be had.
        """
        ...

    def fill(self, case: Case) -> Filled:
        """Give the filled picture.

        Raises:
            FillError: it cannot be had.
        """
        ...

    def close(self) -> None:
        """Let go of what filling needed."""
        ...


class MethodCandidate:
    """A method of the table, in a process of its own."""

    keeps = True

    def __init__(self, method: Method, wanted: Wanted) -> None:
        """Describe the method.

        Raises:
            SwapfillError: it cannot work here.
        """
        self.name, self.about = wanted.name, method.about
        self.settings = method.describe(wanted)
        self._worker = Worker(method.load, wanted)
        self._described = json.dumps([method.name, self.settings], sort_keys=True)

    def key(self, case: Case) -> str:
        """Give a digest of the settings and the picture."""
        return _digest(self._described.encode(), case)

    def fill(self, case: Case) -> Filled:
        """Fill the picture."""
        return self._worker.fill(*case.read())

    def close(self) -> None:
        """End the process."""
        self._worker.close()


class ResultsCandidate:
    """A folder of filled pictures, each of the name and size of its truth."""

    keeps = False
    about = "pictures that another program made"

    def __init__(self, name: str, folder: Path) -> None:
        """Look the folder over.

        Raises:
            DataError: there is none.
        """
        self.name, self.settings = name, {"folder": str(folder)}
        self._pictures = PictureFolder(folder)

    def key(self, case: Case) -> str:
        """Give a digest of the file and the picture; of a missing file, one of its absence.

        Raises:
            FillError: the file cannot be read.
        """
        path = self._pictures.find(case.name)
        try:
            return _digest(path.read_bytes() if path else b"", case)
        except OSError as error:
            raise FillError(f"{path}: cannot be read: {error.strerror}") from None

    def fill(self, case: Case) -> Filled:
        """Read the picture."""
        path = self._pictures.find(case.name)
        if path is None:
            raise FillError(f"there is no picture of its name in {self.settings['folder']}")
        try:
            photo = Photograph.open(path)
        except ImageError as error:
            raise FillError(str(error)) from None
        if photo.size != case.size:
            found, wanted = (f"{width} x {height}" for height, width in (photo.size, case.size))
            raise FillError(f"{path}: is {found} pixels (width x height), want {wanted}")
        return Filled(to_bytes(photo.rgb))

    def close(self) -> None:
        """Do nothing: no file is open."""


def candidates_of(
    methods: Sequence[str], results: Sequence[str], given: Wanted
) -> list[MethodCandidate | ResultsCandidate]:
    """Make the rows of the table.

    Args:
        methods: as `--methods` has them, see `methods.find`.
        results: `NAME=FOLDER` each.
        given: model, device and precision of all methods.

    Raises:
        ConfigError: a method is unknown or cannot work here, a name is no name or stands twice.
        DataError: a folder of results is not there.
    """
    rows: list[MethodCandidate | ResultsCandidate] = []
    for method, wanted in find(methods, given):
        _check_name(wanted.name, rows)
        rows.append(MethodCandidate(method, wanted))
    for typed in results:
        name, _, folder = typed.partition("=")
        if not folder:
            raise ConfigError(f"--results is {typed!r}, want NAME=FOLDER")
        _check_name(name, rows)
        rows.append(ResultsCandidate(name, Path(folder)))
    if not rows:
        raise ConfigError("there is nothing to judge, want --methods or --results")
    return rows


def _check_name(name: str, rows: Sequence[Candidate]) -> None:
    if not _NAME.fullmatch(name) or name in COLUMNS:
        raise ConfigError(f"{name!r} cannot name a row, want letters, digits, - and _")
    if name.lower() in (row.name.lower() for row in rows):
        raise ConfigError(f"{name} stands twice, want another name for one: NAME=FOLDER")


def _digest(content: bytes, case: Case) -> str:
    return hashlib.sha256(content + b"\0" + case.digest.encode()).hexdigest()
