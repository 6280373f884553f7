"""One picture of a folder, from file to file, unless it is done already.

What is done with the picture is for a kind of `Worker` to say; here is the one that fills.
"""

import hashlib
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedRandom
from pathlib import Path
from threading import Condition
from typing import Any, BinaryIO, Literal, NamedTuple, cast

from PIL import Image

from swapfill import bundle
from swapfill.allocation import make_room_for
from swapfill.decoding import MAX_PIXELS
from swapfill.errors import ImageError, MaskError, OutputError, SwapfillError
from swapfill.files import write_atomically
from swapfill.folders import Folders
from swapfill.images import Photograph
from swapfill.inpainter import Inpainter
from swapfill.journal import Entry
from swapfill.receipts import Receipts
from swapfill.unfilled import Unfilled

log = logging.getLogger(__name__)


class Task(NamedTuple):
    """A picture to do: its name, and what the journal knows of it."""

    name: str
    known: Entry | None = None


class Outcome(NamedTuple):
    """What came of a task: an entry where it is done or was, else an error in one line."""

    name: str
    status: Literal["done", "skipped", "failed"]
    entry: Entry | None = None
    error: str = ""


@dataclass(frozen=True)
class Run(ABC):
    """What holds for every picture of a run; it may be sent to other processes.

    Attributes:
        model: a packaged model's name or a bundle's folder.
        options: how the model is loaded: engine, device, precision, settings.
        fit_mask: bring masks of another size to that of their pictures.
        quality: of JPEG and WebP, 1 to 100; None keeps that of the picture.
        force: do again what is done.
        receipts: where to leave a receipt for each picture that is done, for a worker that may be
            lost before its outcome is told.
    """

    model: str = "default"
    options: dict[str, Any] = field(default_factory=dict)
    fit_mask: bool = False
    quality: int | None = None
    force: bool = False
    receipts: Receipts | None = None

    def told(self) -> dict[str, Any]:
        """Give what a report says of the run."""
        return {"model": self.model, "options": self.options}

    @abstractmethod
    def worker(self, folders: Folders) -> "Worker":
        """Load the model into one that does the tasks; raises what loading does."""


@dataclass(frozen=True)
class How(Run):
    """How every picture of a run is filled; `options` are what `Inpainter.load` takes."""

    def load(self) -> Inpainter:
        """Load the model; raises what `Inpainter.load` does."""
        return Inpainter.load(self.model, **self.options)

    def worker(self, folders: Folders) -> "PictureWorker":
        """Load the model into one that fills; raises what `Inpainter.load` does."""
        return PictureWorker(self.load(), folders, self)


class Given(NamedTuple):
    """Where a picture and its mask are, and where the result is to be."""

    photo: Path
    mask: Path | None
    output: Path


class Worker(ABC):
    """Does tasks, from any number of threads; a fault of one picture is that task's outcome.

    Args:
        folders: where pictures, masks and results are.
        run: what holds for all of them.
        settings: what a result depends on beside picture, mask, model and `run`, fit for JSON.
    """

    def __init__(self, folders: Folders, run: Run, settings: Mapping[str, Any]) -> None:
        self._folders, self._run = folders, run
        sums = bundle.find(run.model) / bundle.SUMS
        self._settings = {
            "model": hashlib.sha256(sums.read_bytes()).hexdigest(),
            "fit_mask": run.fit_mask,
            "quality": run.quality,
            **settings,
        }
        self._room = _Room(MAX_PIXELS)

    @abstractmethod
    def _made(self, given: Given) -> Photograph:
        """Make a picture's result; raises a `SwapfillError`."""

    def __call__(self, task: Task) -> Outcome:
        """Do a picture, or tell that it is done."""
        try:
            return self._do(task)
        except SwapfillError as error:
            return Outcome(task.name, "failed", error=str(error))
        except Exception as error:  # ours, but no reason to leave a million others undone
            log.debug("%s", task.name, exc_info=True)
            said = " ".join(f"{type(error).__name__} {error}".split())
            return Outcome(task.name, "failed", error=f"{task.name}: a fault of ours: {said}")

    def _do(self, task: Task) -> Outcome:
        given = self._given(task.name)
        source = self._digest(given)
        known, output = task.known, given.output
        if known and known.source == source and not self._run.force and _is(output, known.result):
            return Outcome(task.name, "skipped", known)
        receipts = self._run.receipts
        left = receipts.read(task.name) if receipts else None
        if left and left.source == source and _is(output, left.result):
            return Outcome(task.name, "done", left)
        pixels = _pixels_of(given.photo)
        with self._room.for_pixels(pixels):
            make_room_for(pixels)
            return Outcome(task.name, "done", self._write(task.name, source, given))

    def _write(self, name: str, source: str, given: Given) -> Entry:
        """Make the result and put it in its place, once there is a receipt for it."""
        made = self._made(given)
        _make_folder(given.output.parent)
        entry: list[Entry] = []

        def write(file: BinaryIO) -> None:
            made.write(file, quality=self._run.quality, name=str(given.output))
            file.seek(0)
            digest = hashlib.file_digest(cast(BufferedRandom, file), "sha256").hexdigest()
            entry.append(Entry(source, digest))
            if self._run.receipts:
                self._run.receipts.write(name, entry[0])

        write_atomically(given.output, write)
        return entry[0]

    def _given(self, name: str) -> Given:
        photo, mask = self._folders.photos / name, self._folders.mask_of(name)
        return Given(photo, mask, self._folders.output / name)

    def _digest(self, given: Given) -> str:
        parts = {
            "photo": _sha256(given.photo, ImageError),
            "mask": None if given.mask is None else _sha256(given.mask, MaskError),
        }
        whole = json.dumps(parts | self._settings, sort_keys=True)
        return hashlib.sha256(whole.encode()).hexdigest()


class PictureWorker(Worker):
    """Fills pictures.

    Args:
        painter: fills; to be shared where threads share the worker.
        folders: where pictures, masks and results are.
        how: what else there is to know.
    """

    def __init__(self, painter: Inpainter, folders: Folders, how: How) -> None:
        super().__init__(folders, how, {"settings": painter.settings.model_dump(mode="json")})
        self._painter = painter

    def _made(self, given: Given) -> Photograph:
        unfilled = Unfilled.read(given.photo, given.mask, fit_mask=self._run.fit_mask)
        try:
            return unfilled.fill(self._painter)
        except MaskError as error:  # says nothing of the file
            raise MaskError(f"{given.mask or given.photo}: {error}") from error


class _Room:
    """Lets pictures in as long as their pixels together are few enough; one alone always."""

    def __init__(self, most: int) -> None:
        self._most, self._taken, self._changed = most, 0, Condition()

    @contextmanager
    def for_pixels(self, count: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or self._taken + count <= self._most)
            self._taken += count
        try:
            yield
        finally:
            with self._changed:
                self._taken -= count
                self._changed.notify_all()


def _pixels_of(photo: Path) -> int:
    """Read from a header how large a picture is; guess where Pillow does not know the kind."""
    try:
        with Image.open(photo) as image:
            return image.width * image.height
    except Exception:  # whatever is wrong is said when it is decoded
        return photo.stat().st_size if photo.is_file() else 0


def _sha256(path: Path, kind: type[ImageError] | type[MaskError]) -> str:
    try:
        return bundle.sha256(path)
    except OSError as error:
        raise kind(f"{path}: cannot be read: {error.strerror or error}") from error


def _is(path: Path, digest: str) -> bool:
    """Tell whether a file is there and has this SHA-256."""
    try:
        return bundle.sha256(path) == digest
    except OSError:
        return False


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror or error}") from error
