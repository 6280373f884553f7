"""The engine on ONNX Runtime and NumPy: no PyTorch, the same picture."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from swapfill.allocation import give_back
from swapfill.bundle import SHARED, Bundle, BundleConfig
from swapfill.config import COARSEST, FillSettings
from swapfill.engines import numpy_images as images
from swapfill.engines.blas_threads import one_thread
from swapfill.engines.interface import Part, Places, Query, Swapped
from swapfill.engines.numpy_beside import Beside, beside, look_of
from swapfill.engines.numpy_matching import carried_match, coherent_match
from swapfill.engines.numpy_swap import Bools, Copies, Match, cells_of, match, pixels_of
from swapfill.engines.onnx_networks import graph_of, part_of
from swapfill.engines.onnx_runtime import Session, choose_provider, open_session
from swapfill.errors import BundleError, DeviceError

PRECISIONS = ("auto", "fp32", "int8")
Array = npt.NDArray[Any]  # images are float32, holes bool


class OnnxEngine:
    """A bundle's networks as sessions of ONNX Runtime; what is between them is NumPy.

    Args:
        sessions: by the bundle's parts.
        config: of the bundle.
        precision: in what the encoder and the translators count.
    """

    name = "onnx"

    def __init__(
        self, sessions: Mapping[str, Session], config: BundleConfig, precision: str = "fp32"
    ) -> None:
        self.precision = precision
        self._sessions, self._guesser = sessions, config.image2feature
        self._translated = config.feature2image
        self.device = sessions["image2feature"].device

    @classmethod
    def open(cls, bundle: Bundle, device: str = "auto", precision: str = "auto") -> Self:
        """Load a bundle: its graphs are built here, its weights are read where they are.

        Raises:
            DeviceError: ONNX Runtime has no such device or precision here.
            BundleError: a weights file is damaged or does not fit.
        """
        if precision not in PRECISIONS:
            raise DeviceError(
                f"precision {precision!r} is not to be had with the engine onnx, "
                f"want {', '.join(PRECISIONS)}"
            )
        provider = choose_provider(device)
        in_bytes = precision == "int8"
        if in_bytes and provider.kind != "cpu":
            raise DeviceError(f"precision int8 is for the device cpu, found {provider.device}")
        numbers = None
        if in_bytes:  # else nothing of pictures' files is needed here
            from swapfill.engines.onnx_calibration import ranges_of

            numbers = ranges_of(bundle, provider)
            give_back()  # else it is held beside what opening takes: 200 MB more at the most

        def opened(part: str) -> Session:
            graph = graph_of(part, bundle.config, bundle, numbers)
            return open_session(graph.to_bytes(), bundle.folder, provider)

        parts = bundle.parts()
        # At once, on as many cores; on a GPU in turn, for none was at hand to try it.
        with ThreadPoolExecutor(len(parts) if provider.kind == "cpu" else 1) as crew:
            sessions = dict(zip(parts, crew.map(opened, parts), strict=True))
        give_back()
        return cls(sessions, bundle.config, "int8" if in_bytes else "fp32")

    def put(
        self, pictures: npt.NDArray[np.float32], holes: npt.NDArray[np.bool_]
    ) -> tuple[Array, Array]:
        """Take windows [B, S, S, 3] and their holes [B, S, S]."""
        planes = np.ascontiguousarray(np.moveaxis(pictures, 3, 1), np.float32)
        return planes, np.ascontiguousarray(holes)[:, None]

    def get(self, image: Array) -> npt.NDArray[np.float32]:
        """Give an image back as [B, S, S, 3], float32 in [0, 1]."""
        return np.ascontiguousarray(np.moveaxis(image, 1, 3))

    @one_thread
    def resize(self, image: Array, side: int) -> Array:
        """Resample an image: area average down, bicubic up."""
        return images.resize(image, side)

    def shrink(self, hole: Array, side: int) -> Array:
        """Shrink a hole: missing if any pixel is."""
        return images.shrink(hole, side)

    def composite(self, hole: Array, inside: Array, outside: Array) -> Array:
        """Take `inside` in the hole and `outside` elsewhere."""
        return np.where(hole, inside, outside)

    @one_thread
    def infer(self, incomplete: Array, hole: Array) -> tuple[Array, Array | None]:
        """G_1: give the guess, known pixels as they were, and the expected features."""
        side = self._guesser.side_for(incomplete.shape[2])
        small, missing = self.resize(incomplete, side), self.shrink(hole, side)
        image, *expected = self._sessions["image2feature"].run(incomplete=small, hole=missing)
        if image.shape != incomplete.shape:
            grown = self.resize(image, incomplete.shape[2])
            return np.where(hole, grown, incomplete), None
        return np.where(hole, image, incomplete), expected[0] if expected else None

    def encode(self, image: Array) -> Array:
        """vgg: give the features, [B, C, S/stride, S/stride]."""
        return self._sessions["encoder"].run(image=image)[0]

    @one_thread
    def swap(self, query: Query[Array], settings: FillSettings) -> Swapped[Array]:
        """Patch-swap: copy the most similar known pieces into the hole."""
        side = query.features.shape[2]
        cells = self.shrink(query.hole, side)[:, 0]
        found = [_matched(query, i, hole, settings) for i, hole in enumerate(cells)]
        matched = (side, found) if settings.matching == "coherent" else None
        if not query.copied:
            return Swapped(query.features, query.picture, matched)
        features, pixels = query.features.copy(), query.picture.copy()
        for i, its in enumerate(found):
            if its is None:
                continue
            copies, pasted = Copies(cells[i], its), cells_of(query.picture[i], side)
            copies.paste(features[i])
            copies.paste(pasted)
            np.copyto(pixels[i], pixels_of(pasted, 3), where=query.hole[i])
        return Swapped(features, pixels, matched)

    def matches(self, swapped: Swapped[Array]) -> list[Places | None]:
        """Tell what coherent matching found, [N, 4] of each map."""
        return [
            None if its is None else np.concatenate([its.query, its.candidate], axis=1)
            for its in swapped.matched[1]
        ]

    def span(self, side: int) -> int:
        """Give what the sides of a part of a window of `side` pixels are a multiple of."""
        config = self._translated.get(SHARED)
        if config is None or not config.guided or str(side) in self._translated:
            return side
        return config.side

    def cut(self, images: Array, parts: Sequence[Part]) -> Array:
        """Cut parts of one size out of images [B, C, H, W]: [N, C, h, w]."""
        return np.stack([images[part.image][:, *part.box.slices] for part in parts])

    def put_back(self, images: Array, filled: Array, parts: Sequence[Part]) -> Array:
        """Give the images with `filled`, [N, C, h, w], in the place of some parts."""
        images = images.copy()
        for part, its in zip(parts, filled, strict=True):
            images[part.image][:, *part.box.slices] = its
        return images

    def translate(self, swapped: Swapped[Array], guess: Array, hole: Array) -> Array:
        """G_2: give the picture of swapped features, [B, 3, S, S]."""
        side = swapped.pixels.shape[2]
        network = self._sessions.get(part_of(str(side))) or self._sessions.get(part_of(SHARED))
        if network is None:
            sides = ", ".join(part.rpartition("-")[2] for part in self._sessions if "-" in part)
            raise BundleError(f"the model has no Feature2Image for {side} px, want {sides}")
        guide = {"pixels": swapped.pixels, "guess": guess, "hole": hole}
        return network.run(features=swapped.features, **guide)[0]

    @one_thread
    def align_tone(self, filled: Array, reference: Array, sigma: float) -> Array:
        """Give `filled` the tone of `reference`: its content coarser than `sigma` pixels of 128."""
        return images.toned(filled, reference, sigma, min(COARSEST, filled.shape[2]))


def _matched(query: Query[Array], i: int, cells: Bools, settings: FillSettings) -> Match | None:
    """Match one map of a batch; None where it has no hole."""
    features = query.features[i]
    if not cells.any():
        return None
    if settings.matching != "coherent":
        asked = features if query.keys is None else query.keys[i]
        return match(asked, cells, asked)
    before, matches = query.matched or (len(cells), [None] * len(query.features))
    coarse: Match | None = matches[i]
    if coarse is None:
        expected = None if query.expected is None else query.expected[i]
        around = _beside(query.picture[i], cells, settings)
        return coherent_match(features, cells, expected, settings.bonus, settings.seed, around)
    return carried_match(coarse, features, cells, len(cells) // before)


def _beside(picture: Array, cells: Bools, settings: FillSettings) -> Beside | None:
    if not (settings.colour or settings.distance or settings.border):
        return None
    colours = images.resize(picture[None], len(cells))[0]
    found = beside(colours, cells, settings.colour, settings.distance)
    if not settings.border:
        return found
    return found._replace(look=look_of(picture, len(cells), settings.border))
