"""Fill the holes of clips: files by PyAV, folders of pictures as they are.

Frames stream through: what is held does not grow with the clip.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from swapfill.bundle import Bundle
from swapfill.config import FillSettings
from swapfill.engines import load_engine
from swapfill.errors import MaskError, OutputError, VideoError
from swapfill.files import write_atomically
from swapfill.formats import SUFFIXES
from swapfill.images import Photograph
from swapfill.masks import Hole, grow
from swapfill.video_fill import FrameFiller, VideoSettings
from swapfill.video_frames import put_fill, rgb_of
from swapfill.video_masks import Masks, open_masks
from swapfill.video_reader import ClipReader, Decoded
from swapfill.video_steady import Frame
from swapfill.video_writer import ClipWriter, check_encoder, container_format

if TYPE_CHECKING:
    from av import VideoFrame

    from swapfill.engines.interface import Engine

Pixels = NDArray[Any]
OnFrames = Callable[[int, int | None], None]

log = logging.getLogger(__name__)


@dataclass
class VideoReport:
    """What became of a clip."""

    frames: int = 0  # written
    lost: int = 0  # of them, those that could not be decoded
    cuts: int = 0
    alone: int = 0  # frames that did not start from one before
    seconds: float = 0.0


class VideoInpainter:
    """A loaded model that fills clips; keep one for many.

    Attributes:
        engine: runs the learned steps.
        fill: how windows are filled, how masks are read.
        settings: steadiness, frames at once.
    """

    def __init__(self, engine: Engine[Any], fill: FillSettings, settings: VideoSettings) -> None:
        self.engine, self.fill, self.settings = engine, fill, settings

    @classmethod
    def load(
        cls,
        model: str | Path = "default",
        *,
        engine: str = "auto",
        device: str = "auto",
        precision: str = "auto",
        **settings: Any,
    ) -> Self:
        """Load a bundle.

        Args:
            model: the name of a packaged bundle, or the folder of one.
            engine: `auto`, or one of `engines.ENGINES`.
            device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
            precision: `auto`, `fp32` or `bf16`.
            **settings: fields of `VideoSettings` (`steadiness`, `batch`) and of `FillSettings`
                (`grow`, `invert`, `matching`, `refine`, ...; not `feather`).

        Raises:
            BundleError: there is no such bundle, or it is damaged.
            DeviceError: the engine, device or precision is not there.
            ConfigError: a setting is unknown or out of range.
        """
        own = {name: settings.pop(name) for name in VideoSettings.model_fields if name in settings}
        bundle = Bundle.open(model)
        fill = bundle.fill_settings(settings)
        asked = VideoSettings.read(own, "settings")
        return cls(load_engine(engine, bundle, device, precision), fill, asked)

    def fill_clip(
        self,
        clip: Path | str,
        mask: Path | str,
        output: Path | str,
        *,
        codec: str | None = None,
        quality: int | None = None,
        options: Mapping[str, str] | None = None,
        on_progress: OnFrames | None = None,
    ) -> VideoReport:
        """Fill the hole of a clip, or of a folder of pictures that are its frames.

        Sound, subtitles and other streams are copied; time stamps, rotation, colours and metadata
        stay. Outside the hole (grown to whole samples of colour) the encoder is given the very
        samples that were decoded. A frame that cannot be decoded is named in a warning, and the
        last good one shown in its place.

        Args:
            clip: the clip, or a folder of pictures, in the order of their names.
            mask: white where to fill: a picture for all frames, a folder of one for each, or a
                clip. As one looks at the frames.
            output: where to write; for a folder, another folder. The suffix names the container.
            codec: an encoder, such as libx265; None: the input's, if it can be written.
            quality: its crf or quantiser, 0 is best; None: next to lossless.
            options: more of the encoder's own, such as {"preset": "slow"}.
            on_progress: called with the frames done, and of all where that is known.

        Raises:
            VideoError: the clip cannot be read, or has no video.
            MaskError: a mask cannot be read, does not fit, or there are fewer than frames.
            OutputError: the result cannot be written; what was there before is untouched.
        """
        clip, mask, output = Path(clip), Path(mask), Path(output)
        run = _Run(self, on_progress)
        with open_masks(mask) as masks:
            if clip.is_dir():
                run.sequence(clip, masks, mask, output)
            else:
                run.clip(clip, masks, mask, output, _Encoding(codec, quality, options))
        return run.report()


@dataclass(frozen=True)
class _Encoding:
    codec: str | None
    quality: int | None
    options: Mapping[str, str] | None


class _Waiting(NamedTuple):
    """A frame that waits for its batch to be full."""

    image: VideoFrame
    frame: Frame


class _Run:
    """One clip."""

    def __init__(self, painter: VideoInpainter, on_progress: OnFrames | None) -> None:
        self._settings, self._fill = painter.settings, painter.fill
        self._filler = FrameFiller(painter.engine, painter.fill, painter.settings)
        self._on_progress = on_progress
        self._start = time.perf_counter()
        self._frames = self._lost = 0
        self._all: int | None = None

    def report(self) -> VideoReport:
        seconds = round(time.perf_counter() - self._start, 3)
        alone, cuts = self._filler.alone, self._filler.cuts
        return VideoReport(self._frames, self._lost, cuts, alone, seconds)

    def clip(self, clip: Path, masks: Masks, mask: Path, output: Path, how: _Encoding) -> None:
        """Fill a clip's file into another one."""
        container_format(output)  # refused now, not after the work
        if how.codec is not None:
            check_encoder(how.codec)
        _check_apart(output, [clip, mask])
        with ClipReader(clip) as reader:
            self._expect(reader.video.frames or None, masks, mask)

            def write(file: BinaryIO) -> None:
                with ClipWriter(file, output, reader, **vars(how)) as writer:
                    self._stream(reader, writer, masks)

            write_atomically(output, write)

    def _expect(self, frames: int | None, masks: Masks, mask: Path) -> None:
        self._all = frames
        if frames is not None and masks.count is not None and masks.count < frames:
            raise MaskError(
                f"{mask}: holds {masks.count} masks, want one for each of {frames} frames"
            )

    def _stream(self, reader: ClipReader, writer: ClipWriter, masks: Masks) -> None:
        """Read, fill and write, a batch after the other."""
        waiting: list[_Waiting] = []
        last: VideoFrame | None = None
        for item in reader:
            if not isinstance(item, Decoded):
                writer.copy(item)
                continue
            hole = self._hole(masks, reader.size)
            if item.frame is None:
                last = self._written(writer, waiting) or last
                self._stand_in(reader, writer, item, last)
                continue
            stored = np.rot90(hole, -reader.rotation // 90)
            waiting.append(_Waiting(item.frame, Frame(rgb_of(item.frame), stored)))
            if len(waiting) == self._settings.batch:
                last = self._written(writer, waiting)
        self._written(writer, waiting)

    def _hole(self, masks: Masks, size: tuple[int, int]) -> Hole:
        hole = masks.next(size)
        hole = grow(~hole if self._fill.invert else hole, self._fill.grow)
        if hole.all():
            raise MaskError(f"the hole covers all {size[0]} x {size[1]} pixels, want known ones")
        return hole

    def _written(self, writer: ClipWriter, waiting: list[_Waiting]) -> VideoFrame | None:
        """Fill and write what waits; give the last frame, None where nothing waited."""
        fills = self._filler([one.frame for one in waiting])
        for (image, frame), fill in zip(waiting, fills, strict=True):
            if frame.hole.any():
                put_fill(image, fill, frame.hole)
            writer.write(image)
            self._count()
        last = waiting[-1].image if waiting else None
        waiting.clear()
        return last

    def _stand_in(
        self, reader: ClipReader, writer: ClipWriter, item: Decoded, last: VideoFrame | None
    ) -> None:
        """Show the last good frame in place of one that is lost."""
        self._lost += 1
        instead = "the one before is shown" if last is not None else "none before, left out"
        log.warning(
            "%s: frame %d at %.3f s cannot be decoded (%s): %s",
            reader.path,
            self._frames,
            float(item.pts * reader.time_base),
            item.fault,
            instead,
        )
        if last is not None:
            last.pts = item.pts
            writer.write(last)
            self._count()

    def _count(self) -> None:
        self._frames += 1
        if self._on_progress:
            self._on_progress(self._frames, self._all)

    def sequence(self, folder: Path, masks: Masks, mask: Path, output: Path) -> None:
        """Fill a folder of pictures into another one: each as faithfully as a picture alone."""
        if output.resolve() == folder.resolve():
            raise OutputError(f"{output}: is the input {folder} itself, want another folder")
        files = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
        if not files:
            raise VideoError(f"{folder}: holds no picture, want the frames of a clip")
        self._expect(len(files), masks, mask)
        try:
            output.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"{output}: cannot be made: {error.strerror}") from error
        for first in range(0, len(files), self._settings.batch):
            photos = [Photograph.open(path) for path in files[first : first + self._settings.batch]]
            frames = [Frame(_samples(photo), self._hole(masks, photo.size)) for photo in photos]
            for photo, frame, fill in zip(photos, frames, self._filler(frames), strict=True):
                result = photo.with_fill(fill, frame.hole)
                result.save(output / Path(photo.name).name)
                self._count()


def _samples(photo: Photograph) -> Pixels:
    if photo.rgb.dtype.kind != "u":
        raise VideoError(f"{photo.name}: is floating point, want 8 or 16 bits in a clip's frames")
    return photo.rgb


def _check_apart(output: Path, inputs: Sequence[Path]) -> None:
    if not output.parent.is_dir():
        raise OutputError(f"{output}: there is no folder {output.parent}, want one that is there")
    for path in inputs:
        if output.exists() and path.exists() and output.samefile(path):
            raise OutputError(f"{output}: is the input {path} itself, want another file")
