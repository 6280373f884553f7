"""Fill the holes of clips: files by PyAV, folders of pictures as they are.

Frames stream through: what is held does not grow with the clip. While some are filled, later ones
are read and earlier ones written.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from swapfill.bundle import Bundle
from swapfill.config import FillSettings
from swapfill.engines import load_engine
from swapfill.errors import MaskError, OutputError
from swapfill.files import write_atomically
from swapfill.video_clip import ClipFrames
from swapfill.video_fill import FrameFiller, VideoSettings
from swapfill.video_masks import Masks, open_masks
from swapfill.video_pictures import PictureFrames, folder_made, frames_in
from swapfill.video_reader import ClipReader
from swapfill.video_stages import Stages
from swapfill.video_writer import ClipWriter, check_encoder, container_format

if TYPE_CHECKING:
    from swapfill.engines.interface import Engine

OnFrames = Callable[[int, int | None], None]


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
        # Reading a picture silences warnings, which threads cannot do each for itself.
        with warnings.catch_warnings(), open_masks(mask) as masks:
            warnings.simplefilter("ignore")
            if clip.is_dir():
                run.pictures(clip, masks, mask, output)
            else:
                run.clip(clip, masks, mask, output, _Encoding(codec, quality, options))
        return run.report()


@dataclass(frozen=True)
class _Encoding:
    codec: str | None
    quality: int | None
    options: Mapping[str, str] | None


class _Run:
    """One clip."""

    def __init__(self, painter: VideoInpainter, on_progress: OnFrames | None) -> None:
        self._fill = painter.fill
        self._filler = FrameFiller(painter.engine, painter.fill, painter.settings)
        self._stages = Stages(self._filler, painter.settings.batch, self._tell)
        self._on_progress = on_progress
        self._start = time.perf_counter()
        self._all: int | None = None

    def report(self) -> VideoReport:
        seconds = round(time.perf_counter() - self._start, 3)
        stages, filler = self._stages, self._filler
        return VideoReport(stages.frames, stages.lost, filler.cuts, filler.alone, seconds)

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
                    self._stages.run(iter(ClipFrames(reader, writer, masks, self._fill)))

            write_atomically(output, write)

    def pictures(self, folder: Path, masks: Masks, mask: Path, output: Path) -> None:
        """Fill a folder of pictures into another one."""
        if output.resolve() == folder.resolve():
            raise OutputError(f"{output}: is the input {folder} itself, want another folder")
        files = frames_in(folder)
        self._expect(len(files), masks, mask)
        with folder_made(output):
            self._stages.run(iter(PictureFrames(files, masks, self._fill, output)))

    def _expect(self, frames: int | None, masks: Masks, mask: Path) -> None:
        self._all = frames
        if frames is not None and masks.count is not None and masks.count < frames:
            raise MaskError(
                f"{mask}: holds {masks.count} masks, want one for each of {frames} frames"
            )

    def _tell(self, frames: int) -> None:
        if self._on_progress:
            self._on_progress(frames, self._all)


def _check_apart(output: Path, inputs: Sequence[Path]) -> None:
    if not output.parent.is_dir():
        raise OutputError(f"{output}: there is no folder {output.parent}, want one that is there")
    for path in inputs:
        if output.exists() and path.exists() and output.samefile(path):
            raise OutputError(f"{output}: is the input {path} itself, want another file")
