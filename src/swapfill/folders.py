"""Folders of pictures: which there are, which mask goes with each, where its result is written.

A picture is known by its name: its path inside the folder, with `/` between the parts. Nothing is
listed before it is needed, so that a folder of a million pictures starts at once.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from swapfill.errors import ImageError, MaskError, OutputError
from swapfill.formats import SUFFIXES

MASK_ENDING = "_mask"  # of a mask's stem, where picture and mask would be one file otherwise
STATE = ".swapfill"  # the folder in the output where the journal is

OnError = Callable[[str, OSError], None]


@dataclass(frozen=True)
class Folders:
    """A folder of pictures, what says where their holes are, and the folder of the results.

    Attributes:
        photos: the folder of the pictures.
        masks: a folder of masks (it may be `photos`), one mask for all, or None: what is
            transparent is the hole.
        output: the folder of the results: same tree, same names.
    """

    photos: Path
    masks: Path | None
    output: Path

    def check(self) -> None:
        """Refuse folders that are not there, that hold nothing, or that would be written over.

        Raises:
            ImageError: `photos` is no folder, or has no picture in it.
            MaskError: `masks` is not there.
            OutputError: `output` is a file, one of the inputs, or lies in no folder.
        """
        if not self.photos.is_dir():
            raise ImageError(f"{self.photos}: is no folder, want one with pictures")
        if self.masks is not None and not self.masks.exists():
            raise MaskError(f"{self.masks}: there is no such file or folder")
        if self.output.exists() and not self.output.is_dir():
            raise OutputError(f"{self.output}: is a file, want a folder for the results")
        if not self.output.exists() and not self.output.absolute().parent.is_dir():
            parent = self.output.absolute().parent
            raise OutputError(f"{self.output}: there is no folder {parent}, want one that is there")
        for given in (self.photos, self.masks):
            if given is not None and self.output.exists() and self.output.samefile(given):
                raise OutputError(f"{self.output}: is the input itself, want another folder")
        locked = list[str]()
        if not any(self.names(lambda name, error: locked.append(name))) and not locked:
            wanted = ", ".join(SUFFIXES)
            raise ImageError(f"{self.photos}: holds no picture, want files that end in {wanted}")

    def absolute(self) -> "Folders":
        """Give the same by absolute paths, for processes that work elsewhere."""
        masks = None if self.masks is None else self.masks.absolute()
        return Folders(self.photos.absolute(), masks, self.output.absolute())

    def names(self, on_error: OnError) -> Iterator[str]:
        """Walk over the pictures: files with a picture's suffix, hidden ones left out.

        Folders in folders are walked too, links to folders are not. The folders of the masks and
        of the results are left out where they lie among the pictures, and so are masks there.

        Args:
            on_error: is told a folder that cannot be read, by its name, and why; the walk goes on.
        """
        inner = {self.output.resolve()} | ({self.masks.resolve()} if self.masks else set())
        inner.discard(self.photos.resolve())
        for name in _walk(self.photos, "", inner, on_error):
            if not (self._beside and PurePosixPath(name).stem.endswith(MASK_ENDING)):
                yield name

    @property
    def _beside(self) -> bool:
        """Whether masks lie beside their pictures."""
        return self.masks is not None and self.masks.resolve() == self.photos.resolve()

    def mask_of(self, name: str) -> Path | None:
        """Find the mask of a picture; None where its transparency is.

        For `a/b.jpg` that is, in this order, `a/b.jpg.*`, `a/b.jpg_mask.*`, `a/b_mask.*`, and where
        pictures are not in the same folder, `a/b.jpg` and `a/b.*`; PNG before other formats. The
        first two tell pictures of one stem apart.

        Raises:
            MaskError: there is none.
        """
        if self.masks is None or self.masks.is_file():
            return self.masks
        place = self.masks / name
        full, stem = place.name, place.stem
        stems = [full, f"{full}{MASK_ENDING}", f"{stem}{MASK_ENDING}"]
        tries = [f"{one}{suffix}" for one in stems for suffix in SUFFIXES]
        if not self._beside:
            tries += [full, *(f"{stem}{suffix}" for suffix in SUFFIXES)]
        for found in (place.with_name(one) for one in tries):
            if found.is_file():
                return found
        wanted = place.with_name(f"{stem}{MASK_ENDING}.png")
        raise MaskError(f"{self.photos / name}: has no mask in {self.masks}, want {wanted}")


def _walk(folder: Path, before: str, inner: set[Path], on_error: OnError) -> Iterator[str]:
    """Give the names of the pictures below `folder`, each with `before` in front."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                name = before + entry.name
                if entry.is_dir(follow_symlinks=False):
                    below = folder / entry.name
                    if below.resolve() not in inner:
                        yield from _walk(below, f"{name}/", inner, on_error)
                elif os.path.splitext(entry.name)[1].lower() in SUFFIXES and entry.is_file():
                    yield name
    except OSError as error:
        on_error(before or ".", error)
