"""Style transfer of a folder of pictures: the same tree, names and formats, as `folder_run` has it.

A worker for its crew, which may be this thread alone: nearly all of the time is the networks'. Each
reads the styles once; a picture is skipped if it, its mask, the styles, the settings and the model
are what they were.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from swapfill.bundle import sha256
from swapfill.folders import Folders
from swapfill.images import Photograph, read_hole
from swapfill.picture_task import Given, Run, Worker
from swapfill.style import Stylist


@dataclass(frozen=True)
class StyleHow(Run):
    """How every picture of a run is given a style; `options` are what `Stylist.load` takes.

    Attributes:
        styles: picture files.
        weights: of the styles; None: equal.
    """

    styles: tuple[Path, ...] = ()
    weights: tuple[float, ...] | None = None

    def load(self) -> Stylist:
        """Load the model; raises what `Stylist.load` does."""
        return Stylist.load(self.model, **self.options)

    def worker(self, folders: Folders) -> "StyleWorker":
        """Load the model into one that gives a style; raises what it and `Stylist.load` do."""
        return StyleWorker(self.load(), folders, self)

    def told(self) -> dict[str, Any]:
        """Give what a report says of the run."""
        more = {"styles": [str(style) for style in self.styles], "weights": self.weights}
        return super().told() | more


class StyleWorker(Worker):
    """Gives pictures a style.

    Args:
        stylist: does the work.
        folders: where pictures, masks and results are; without masks all of a picture is changed,
            not what is transparent.
        how: what else there is to know.

    Raises:
        ImageError: a style cannot be read, or is smaller than a patch.
        ConfigError: the weights do not fit the styles.
    """

    def __init__(self, stylist: Stylist, folders: Folders, how: StyleHow) -> None:
        self._stylist, self._weights = stylist, how.weights
        self._styles = [Photograph.open(style) for style in how.styles]
        nothing = Photograph.from_array(np.zeros((1, 1), np.uint8))
        # With nowhere to work it only looks at styles and weights: told once, not for each picture.
        stylist.stylize_photograph(
            nothing, self._styles, weights=how.weights, where=np.zeros((1, 1), np.bool_)
        )
        settings = {
            "settings": stylist.settings.model_dump(mode="json"),
            "styles": [sha256(style) for style in how.styles],
            "weights": how.weights,
        }
        super().__init__(folders, how, settings)

    def _made(self, given: Given) -> Photograph:
        photo, where = Photograph.open(given.photo), None
        if given.mask is not None:
            where = read_hole(given.mask, photo.size, fit=self._run.fit_mask)
        return self._stylist.stylize_photograph(
            photo, self._styles, weights=self._weights, where=where
        )
