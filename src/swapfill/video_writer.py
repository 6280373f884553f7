"""Write a clip: frames encoded anew, everything else copied as it was."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from swapfill.errors import OutputError
from swapfill.video_reader import ClipReader

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.stream import Stream

log = logging.getLogger(__name__)

# What encodes a codec, where that is not called as the codec is; others encode under their name.
_ENCODERS = {
    "h264": "libx264",
    "hevc": "libx265",
    "vp8": "libvpx",
    "vp9": "libvpx-vp9",
    "av1": "libsvtav1",
    "prores": "prores_ks",
}
_OTHERWISE = "libx264"  # for a codec that nothing here can write
# Quality by default: visually next to lossless. `crf` of those that have one, else a quantiser.
_CRF = {"libx264": 17, "libx265": 19, "libvpx": 8, "libvpx-vp9": 22, "libsvtav1": 22}
_QUANTISER = 2
_LOSSLESS = frozenset({"ffv1", "huffyuv", "ffvhuff", "utvideo", "png", "rawvideo", "qtrle"})
_QUIET = {"libx265": {"x265-params": "log-level=error"}}
_WHOLE_FRAMES = frozenset({"mpeg1video", "mpeg2video"})  # their time counts frames, nothing finer
# These know full range by a format of its own.
_FULL_RANGE = {"yuv420p": "yuvj420p", "yuv422p": "yuvj422p", "yuv444p": "yuvj444p"}
_EVEN = frozenset({"libx264", "libx265"})  # at half the resolution of colour, sides have to be


class ClipWriter:
    """A clip that is written to an open file.

    Args:
        file: where to; it has to be seekable.
        path: of the result, for its suffix and for messages.
        reader: of the clip that it is made from.
        codec: an encoder's name; None for the input's codec where there is an encoder.
        quality: 0 (best) to 63, the encoder's crf or quantiser; None: next to lossless.
        options: more of the encoder's, by its own names.

    Raises:
        OutputError: no such container or codec, or the codec cannot hold the frames.
    """

    def __init__(
        self,
        file: BinaryIO,
        path: Path,
        reader: ClipReader,
        *,
        codec: str | None = None,
        quality: int | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self._path = path
        self._container = _container(file, path)
        self._names = [codec] if codec else self._names_for(reader)
        self._stream = self._video_stream(reader, quality, dict(options or {}))
        self._copies = {other.index: self._copy_of(other, path) for other in reader.others}
        self._container.metadata.update(reader.container.metadata)
        self._container.set_chapters(reader.container.chapters())

    def _names_for(self, reader: ClipReader) -> list[str]:
        """Name the encoders to try: of the input's codec, the usual one, the container's own."""
        own = reader.video.codec_context.codec.canonical_name
        names = [_ENCODERS.get(own, own), _OTHERWISE, self._container.default_video_codec]
        return [name for name in names if _can_encode(name)]

    def _video_stream(
        self, reader: ClipReader, quality: int | None, options: dict[str, str]
    ) -> Any:
        """Open the first encoder that the container takes."""
        refusal = "no encoder fits"
        for name in self._names:
            try:
                stream = self._container.add_stream(name, rate=_rate(reader))
            except ValueError as error:  # the container does not take it
                refusal = str(error)
                continue
            self._open(stream, name, reader, quality, options)
            return stream
        raise OutputError(f"{self._path}: cannot hold the clip: {refusal}")

    def _open(
        self,
        stream: Any,
        name: str,
        reader: ClipReader,
        quality: int | None,
        options: dict[str, str],
    ) -> None:
        import av

        context = stream.codec_context
        context.options = _quality(name, quality) | _QUIET.get(name, {}) | options
        stream.metadata.update(reader.video.metadata)
        if reader.rotation:
            stream.set_display_rotation(reader.rotation)
        _set_up(context, name, reader, quality)
        stream.time_base = reader.time_base
        if name in _WHOLE_FRAMES:
            context.time_base = 1 / _rate(reader)
        try:
            context.open()
        except (av.FFmpegError, ValueError) as error:
            first = reader.first
            frames = f"{first.width} x {first.height} pixels of {context.pix_fmt}"
            reason = getattr(error, "strerror", None) or str(error)
            raise OutputError(f"{self._path}: {name} cannot write {frames}: {reason}") from error

    def _copy_of(self, other: Stream, path: Path) -> Any:
        """Make room for a stream that is copied; none where the container has no room for it."""
        import av

        try:
            copy = self._container.add_stream_from_template(other, opaque=True)
        except (av.FFmpegError, ValueError) as error:
            log.warning("%s: cannot keep the %s stream: %s", path, other.type, error)
            return None
        copy.metadata.update(other.metadata)
        copy.disposition = other.disposition
        return copy

    def copy(self, packet: Packet[Stream]) -> None:
        """Write a packet of another stream as it is."""
        stream = self._copies[packet.stream.index]
        if stream is not None:
            packet.stream = stream
            self._mux(packet)

    def write(self, frame: VideoFrame, pts: int, base: Fraction) -> None:
        """Encode a frame, to be shown at `pts` in units of `base` seconds."""
        context = self._stream.codec_context
        if frame.format.name != context.pix_fmt:
            frame = frame.reformat(
                format=context.pix_fmt,
                dst_colorspace=frame.colorspace,
                dst_color_range=frame.color_range,
            )
        frame.pts, frame.time_base = pts, base
        frame.pict_type = 0  # the encoder chooses
        for packet in self._stream.encode(frame):
            self._mux(packet)

    def _mux(self, packet: Any) -> None:
        import av

        try:
            self._container.mux(packet)
        except (av.FFmpegError, ValueError) as error:
            raise OutputError(f"{self._path}: cannot be written: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the file; after an error it is thrown away by whoever opened it."""
        try:
            if error is None:
                for packet in self._stream.encode(None):
                    self._mux(packet)
        finally:
            self._container.close()


def _rate(reader: ClipReader) -> Fraction:
    return reader.video.average_rate or reader.video.guessed_rate or Fraction(25)


def _set_up(context: Any, name: str, reader: ClipReader, quality: int | None) -> None:
    """Tell an encoder what the frames are like."""
    source, first = reader.video.codec_context, reader.first
    context.width, context.height = first.width, first.height
    context.pix_fmt = _pixel_format(context.codec, first)
    context.time_base, context.framerate = reader.time_base, _rate(reader)
    context.sample_aspect_ratio = source.sample_aspect_ratio or Fraction(1)
    for what in ("color_range", "color_primaries", "color_trc", "colorspace"):
        setattr(context, what, getattr(source, what))
    if name not in _CRF and name not in _LOSSLESS:
        context.qmin = context.qmax = _QUANTISER if quality is None else max(quality, 1)


def check_encoder(name: str) -> None:
    """Refuse an encoder that is not there.

    Raises:
        OutputError: nothing encodes under that name.
    """
    if not _can_encode(name):
        raise OutputError(f"codec {name!r} is not there to write with, want one such as libx264")


def _can_encode(name: str) -> bool:
    import av

    try:
        return av.codec.Codec(name, "w").type == "video"
    except av.codec.codec.UnknownCodecError:
        return False


def container_format(path: Path) -> str:
    """Name the container that a suffix asks for.

    Raises:
        OutputError: no container has that suffix.
    """
    import av

    suffix = path.suffix.lower().removeprefix(".")
    for name in (_FORMATS.get(suffix), suffix):
        if name and name in av.formats_available:
            form = av.ContainerFormat(name)
            if form.is_output:
                return str(name)
    known = ", ".join(f".{suffix}" for suffix in _FORMATS)
    raise OutputError(f"{path}: {path.suffix or 'no suffix'} names no clip, want one of {known}")


_FORMATS = {
    "mp4": "mp4",
    "m4v": "mp4",
    "mov": "mov",
    "mkv": "matroska",
    "webm": "webm",
    "avi": "avi",
    "ts": "mpegts",
    "m2ts": "mpegts",
    "mpg": "mpeg",
    "ogv": "ogg",
    "nut": "nut",
}


def _container(file: BinaryIO, path: Path) -> Any:
    import av

    return av.open(file, "w", format=container_format(path))


def _quality(encoder: str, quality: int | None) -> dict[str, str]:
    if encoder not in _CRF:
        return {}
    chosen = {"crf": str(_CRF[encoder] if quality is None else quality)}
    # Without a bit rate of 0 these take crf for a mere bound.
    return chosen | ({"b": "0"} if encoder.startswith("libvpx") else {})


def _pixel_format(codec: Any, frame: VideoFrame) -> str:
    """Choose what the encoder takes: the frame's own format, or the nearest."""
    taken = [form.name for form in codec.video_formats or []]
    own = frame.format.name
    odd = frame.width % 2 or frame.height % 2
    wanted = [own]
    if codec.name in _EVEN and odd and own.startswith("yuv4"):
        wanted = [own.replace("420", "444").replace("422", "444")]
    elif frame.color_range == 2:
        wanted.append(_FULL_RANGE.get(own, own))
    deep = any(part.bits > 8 for part in frame.format.components)
    if frame.format.is_rgb:
        wanted += ["gbrp", "rgb24", "bgr0", "yuv444p10le", "yuv444p"]
    wanted += ["yuv420p10le"] if deep else []
    for form in (*wanted, "yuv420p", "yuvj420p"):
        if not taken or form in taken:
            return form
    return str(taken[0])
