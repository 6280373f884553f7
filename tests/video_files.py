"""Clips that tests make: tiny, of a pattern that moves, with a tone."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]

SOUND = {".mkv": "pcm_s16le", ".mp4": "aac", ".mov": "pcm_s16le"}


def pattern(count: int, height: int = 64, width: int = 64, step: float = 1.0) -> list[Pixels]:
    """Give frames [H, W, 3], uint8, of a soft pattern that moves `step` pixels each."""
    import cv2

    rng = np.random.default_rng(0)
    wide = width + int(abs(step) * count) + 8
    noise = rng.random((height, wide, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 2.5)
    soft = (soft - soft.min()) / (soft.max() - soft.min())
    frames = []
    for i in range(count):
        move = np.array([[1, 0, -step * i], [0, 1, 0]], np.float32)
        frame = cv2.warpAffine(soft, move, (width, height), flags=cv2.INTER_LINEAR)
        frames.append(np.rint(frame * 255).clip(0, 255).astype(np.uint8))
    return frames


def square_hole(height: int = 64, width: int = 64) -> NDArray[np.bool_]:
    hole = np.zeros((height, width), np.bool_)
    hole[height // 3 : height // 2 + 3, width // 3 : width // 2 + 3] = True
    return hole


def write_picture(path: Path, pixels: Pixels) -> Path:
    from PIL import Image

    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def write_mask(path: Path, hole: NDArray[np.bool_]) -> Path:
    return write_picture(path, hole.astype(np.uint8) * 255)


def write_clip(
    path: Path,
    frames: Sequence[Pixels],
    *,
    codec: str = "ffv1",
    form: str = "yuv420p",
    pts: Sequence[int] | None = None,
    sound: bool = False,
    rotation: int = 0,
    color_range: int = 0,
    colorspace: int = 2,
    damaged: int | None = None,
) -> Path:
    """Write a clip at 25 frames a second, or at times of 1/1000 s; frame `damaged` is broken."""
    import av

    with av.open(str(path), "w") as container:
        container.metadata["title"] = "a test"
        stream: Any = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = frames[0].shape[1], frames[0].shape[0], form
        context = stream.codec_context
        context.time_base = Fraction(1, 25) if codec == "mpeg2video" else Fraction(1, 1000)
        context.color_range, context.colorspace = color_range, colorspace
        if rotation:
            stream.set_display_rotation(rotation)
        tone = container.add_stream(SOUND[path.suffix], rate=8000) if sound else None
        if tone is not None:
            sing(container, tone, len(frames) * 0.04)
        for i, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame = frame.reformat(
                format=form,
                dst_colorspace=None if colorspace == 2 else colorspace,
                dst_color_range=color_range or None,
            )
            frame.pts = i * 40 if pts is None else pts[i]
            frame.time_base = Fraction(1, 1000)
            for packet in stream.encode(frame):
                container.mux(_damaged(packet) if i == damaged else packet)
        container.mux(stream.encode(None))
    return path


def _damaged(packet: Any) -> Any:
    import av

    broken = av.Packet(b"\xff" * 40)
    broken.pts, broken.dts, broken.time_base = packet.pts, packet.dts, packet.time_base
    broken.stream = packet.stream
    return broken


def sing(container: Any, stream: Any, seconds: float) -> None:
    """Write a tone of 440 Hz."""
    import av

    at = np.arange(round(seconds * 8000)) / 8000
    samples = (np.sin(2 * np.pi * 440 * at) * 8000).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 8000, 0, Fraction(1, 8000)
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def add_subtitles(clip: Path, output: Path, text: str) -> None:
    """Copy a clip, with subtitles beside its streams; `text` is as in a .srt file."""
    import av

    words = clip.with_suffix(".srt")
    words.write_text(text)
    with av.open(str(clip)) as one, av.open(str(words)) as other, av.open(str(output), "w") as made:
        sources = (one, other)
        copies = {
            old: made.add_stream_from_template(old) for source in sources for old in source.streams
        }
        for source in sources:
            for packet in source.demux():
                if packet.dts is not None:
                    packet.stream = copies[packet.stream]
                    made.mux(packet)


def read_planes(path: Path) -> list[tuple[int, list[Pixels]]]:
    """Decode a clip: the time of each frame in 1/1000 s, and its samples, plane by plane."""
    import av

    from swapfill.video_frames import _samples

    with av.open(str(path)) as container:
        return [
            (
                round(frame.time * 1000),
                [_samples(frame, part).copy() for part in frame.format.components],
            )
            for frame in container.decode(video=0)
        ]


def packets(path: Path, kind: Literal["audio", "subtitle"]) -> list[tuple[int | None, bytes]]:
    """Give the packets of a clip's streams of one kind: times and bytes."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.best(kind)
        assert stream is not None
        return [(p.pts, bytes(p)) for p in container.demux(stream) if p.dts is not None]
