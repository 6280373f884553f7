"""Read a clip: its frames one after the other, and what else is in the file as it is."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from swapfill.errors import VideoError
from swapfill.video_frames import planar

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.stream import Stream
    from av.video.stream import VideoStream


class Decoded(NamedTuple):
    """A frame, or that it is lost: `frame` is None where it could not be decoded."""

    frame: VideoFrame | None
    pts: int  # in units of the stream's time base
    fault: str = ""


class ClipReader:
    """A clip that is read once, from its beginning to its end.

    Attributes:
        path: of the file.
        container: PyAV's.
        video: the stream whose frames are read: the first that is no cover picture.
        first: the first frame, to learn from how the others are.
        rotation: degrees, counter-clockwise, that the frames are turned by to be looked at.
    """

    def __init__(self, path: Path) -> None:
        """Open a clip.

        Raises:
            VideoError: it cannot be read, or has no video stream, or not one whole frame.
        """
        self.path = path
        self.first, self.rotation = self._look_at_the_first()
        self.container = _opened(path)
        self.video = _video_of(self.container, path)
        self._last: int | None = None

    def _look_at_the_first(self) -> tuple[VideoFrame, int]:
        """Decode a frame: its turn and its format are not known before."""
        with _opened(self.path) as container:
            stream = _video_of(container, self.path)
            for packet in container.demux(stream):
                frames = _decoded(stream, packet)
                if not isinstance(frames, str) and frames:
                    turn = round(frames[0].rotation)
                    return planar(frames[0], str(self.path)), turn
        raise VideoError(f"{self.path}: has no frame that can be decoded")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.container.close()

    @property
    def others(self) -> list[Stream]:
        """All streams but the video: sound, subtitles, data, cover pictures."""
        return [stream for stream in self.container.streams if stream != self.video]

    @property
    def time_base(self) -> Fraction:
        """Seconds that a unit of `pts` lasts."""
        return self.video.time_base or Fraction(1, 90_000)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width as one looks at the frames."""
        height, width = self.video.codec_context.height, self.video.codec_context.width
        return (width, height) if self.rotation % 180 else (height, width)

    def __iter__(self) -> Iterator[Decoded | Packet[Stream]]:
        """Give the video's frames in order of time, and the packets of the other streams."""
        lost: list[Decoded] = []
        for packet in self.container.demux():
            if packet.stream != self.video:
                if packet.dts is not None:
                    yield packet
                continue
            frames = _decoded(self.video, packet)
            if isinstance(frames, str):
                lost.append(Decoded(None, self._time(packet.pts), frames))
                continue
            for frame in frames:
                decoded = self._checked(frame)
                # What was lost lies between frames, and these come in order of time.
                for earlier in [one for one in lost if one.pts < decoded.pts]:
                    lost.remove(earlier)
                    yield self._after(earlier)
                yield self._after(decoded)
        for one in lost:
            yield self._after(one)

    def _checked(self, frame: VideoFrame) -> Decoded:
        pts = self._time(frame.pts)
        if frame.is_corrupt:
            return Decoded(None, pts, "its data are damaged")
        return Decoded(planar(frame, str(self.path)), pts)

    def _time(self, pts: int | None) -> int:
        """Give a frame's time; one without any follows the last at the clip's rate."""
        if pts is not None:
            return pts
        rate = self.video.average_rate or Fraction(25)
        step = max(round(1 / (rate * self.time_base)), 1)
        return 0 if self._last is None else self._last + step

    def _after(self, decoded: Decoded) -> Decoded:
        """Keep time running forwards, as every file has to."""
        pts = decoded.pts if self._last is None else max(decoded.pts, self._last + 1)
        self._last = pts
        if decoded.frame is not None:
            decoded.frame.pts, decoded.frame.time_base = pts, self.time_base
        return decoded._replace(pts=pts)

    def grey_frames(self) -> Iterator[NDArray[np.uint8]]:
        """Give every frame's brightness, [H, W], 0 to 255, as one looks at it.

        Raises:
            VideoError: a frame cannot be decoded.
        """
        for number, item in enumerate(d for d in self if isinstance(d, Decoded)):
            if item.frame is None:
                raise VideoError(f"{self.path}: frame {number} cannot be decoded: {item.fault}")
            grey = item.frame.reformat(format="gray", dst_color_range=2).to_ndarray()
            yield np.rot90(grey, self.rotation // 90)


def _opened(path: Path) -> Any:
    import av

    if path.is_dir() or not path.exists():
        raise VideoError(f"{path}: {'is a folder' if path.is_dir() else 'there is no such file'}")
    try:
        return av.open(str(path), metadata_errors="replace")
    except av.FFmpegError as error:
        raise VideoError(f"{path}: is not a clip: {error.strerror}") from error


def _video_of(container: Any, path: Path) -> VideoStream:
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            found: VideoStream = stream
            return found
    container.close()
    raise VideoError(f"{path}: has no video stream, want a clip")


def _decoded(stream: VideoStream, packet: Packet[Any]) -> list[VideoFrame] | str:
    """Decode a packet; if that fails, give the reason."""
    import av

    try:
        return stream.decode(packet)
    except av.FFmpegError as error:
        return str(error.strerror)
