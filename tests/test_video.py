import os
import tempfile
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from drawn_pictures import DEEP, Drawn, draw_hole, kinds, samples_of, sizes, tree_of
from swapfill.config import FillSettings
from swapfill.errors import ConfigError, MaskError, OutputError, VideoError
from swapfill.video import VideoInpainter
from swapfill.video_fill import FrameFiller, VideoSettings
from video_files import (
    add_subtitles,
    packets,
    pattern,
    read_planes,
    square_hole,
    write_clip,
    write_mask,
)


@pytest.fixture(scope="module")
def painter(tiny_bundle: Path) -> VideoInpainter:
    return VideoInpainter.load(tiny_bundle)


@pytest.fixture
def still(tmp_path: Path) -> Path:
    return write_mask(tmp_path / "mask.png", square_hole())


def _opened(path: Path) -> Any:
    import av

    return av.open(str(path))


def _left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("form", ["yuv420p", "yuv444p", "gray", "yuv420p10le"])
def test_known_samples_are_those_of_the_clip(
    painter: VideoInpainter, tmp_path: Path, still: Path, form: str
) -> None:
    source, output = tmp_path / "in.mkv", tmp_path / "out.mkv"
    write_clip(source, pattern(3), form=form)
    report = painter.fill_clip(source, still, output)
    assert (report.frames, report.lost, report.cuts, report.alone) == (3, 0, 0, 1)
    hole = square_hole()
    for (_, before), (_, after) in zip(read_planes(source), read_planes(output), strict=True):
        assert np.array_equal(before[0][~hole], after[0][~hole])
        assert not np.array_equal(before[0][hole], after[0][hole])
        for old, new in zip(before[1:], after[1:], strict=True):
            step = 64 // old.shape[0]
            uses = hole.reshape(64 // step, step, 64 // step, step).any(axis=(1, 3))
            assert np.array_equal(old[~uses], new[~uses])


def _grey(clip: Path, masks: Path, output: Path, batch: int) -> int:
    """Fill without networks, grey what is missing, and tell how many frames were written."""

    def grey(self: FrameFiller, group: Any) -> Any:
        return [np.full_like(window.incomplete, 0.5) for window in group]

    painter = VideoInpainter(cast(Any, None), FillSettings(), VideoSettings(batch=batch))
    with patch.object(FrameFiller, "_windows", grey):
        return painter.fill_clip(clip, masks, output).frames


@settings(deadline=None, max_examples=25)
@given(
    size=st.tuples(st.integers(8, 70), st.integers(8, 70)),  # FFV1 refuses some smaller ones
    form=st.sampled_from(["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "gray"]),
    holes=st.lists(kinds, min_size=1, max_size=4),
    batch=st.integers(1, 3),
    seed=st.integers(0, 9999),
)
def test_clips_of_any_size_form_and_hole_keep_every_known_sample(
    size: tuple[int, int], form: str, holes: list[str], batch: int, seed: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = write_clip(folder / "in.mkv", pattern(len(holes), *size), form=form)
        drawn = [draw_hole(kind, size, seed + i) for i, kind in enumerate(holes)]
        for i, hole in enumerate(drawn):
            write_mask(folder / "masks" / f"{i}.png", hole)
        assert _grey(source, folder / "masks", folder / "out.mkv", batch) == len(holes)
        before, after = read_planes(source), read_planes(folder / "out.mkv")
    assert [at for at, _ in after] == [at for at, _ in before]
    for hole, (_, old), (_, new) in zip(drawn, before, after, strict=True):
        for one, other in zip(old, new, strict=True):
            known = ~_touched(hole, one.shape)
            np.testing.assert_array_equal(other[known], one[known])


def _touched(hole: Any, shape: tuple[int, int]) -> Any:
    """Tell which samples of a plane belong to a pixel of the hole, pixel by pixel."""
    steps = [2 if count < full else 1 for full, count in zip(hole.shape, shape, strict=True)]
    touched = np.zeros(shape, np.bool_)
    for row, column in zip(*np.nonzero(hole), strict=True):
        touched[row // steps[0], column // steps[1]] = True
    return touched


@settings(deadline=None, max_examples=25)
@given(
    size=sizes,
    mode=st.sampled_from(["L", "LA", "P", "RGB", "RGBA", "I;16", DEEP]),
    holes=st.lists(kinds, min_size=1, max_size=4),
    batch=st.integers(1, 3),
    seed=st.integers(0, 9999),
)
def test_frames_of_any_size_mode_and_hole_keep_their_names_and_all_that_is_known(
    size: tuple[int, int], mode: str, holes: list[str], batch: int, seed: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        frames, masks, out = (Path(name) / part for part in ("frames", "masks", "out"))
        drawn = [Drawn(f"{i:02} ä.png", mode, size, kind, seed + i) for i, kind in enumerate(holes)]
        for picture in drawn:
            picture.draw(frames, masks)
        assert _grey(frames, masks, out, batch) == len(holes)
        assert tree_of(out) == {picture.name for picture in drawn}
        for picture in drawn:
            (mode, old), (made, new) = (samples_of(p / picture.name) for p in (frames, out))
            assert (made, new.shape, new.dtype) == (mode, old.shape, old.dtype)
            np.testing.assert_array_equal(new[~picture.hole], old[~picture.hole])


def test_times_sound_and_metadata_stay(
    painter: VideoInpainter, tmp_path: Path, still: Path
) -> None:
    source, output = tmp_path / "in.mkv", tmp_path / "out.mkv"
    times = [0, 40, 90, 200, 210]  # a variable rate
    write_clip(source, pattern(5), pts=times, sound=True, color_range=2, colorspace=1)
    painter.fill_clip(source, still, output)
    assert [at for at, _ in read_planes(output)] == times
    assert packets(output, "audio") == packets(source, "audio")
    with _opened(source) as before, _opened(output) as after:
        assert after.metadata["title"] == "a test"
        old, new = (next(container.decode(video=0)) for container in (before, after))
        assert (new.color_range, new.colorspace) == (old.color_range, old.colorspace) == (2, 1)


def test_subtitles_stay(painter: VideoInpainter, tmp_path: Path, still: Path) -> None:
    plain, source, output = (tmp_path / f"{name}.mkv" for name in ("plain", "in", "out"))
    write_clip(plain, pattern(3), sound=True)
    add_subtitles(plain, source, "1\n00:00:00,010 --> 00:00:00,090\nHere it was.\n")
    painter.fill_clip(source, still, output)
    assert packets(output, "subtitle") == packets(source, "subtitle") != []
    assert packets(output, "audio") == packets(source, "audio")


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_turned_clip_takes_the_mask_as_one_looks_at_it(
    painter: VideoInpainter, tmp_path: Path, turn: int
) -> None:
    source, output = tmp_path / "in.mov", tmp_path / "out.mov"
    write_clip(source, pattern(1, 48, 64), codec="png", form="rgb24", rotation=turn)
    hole = np.zeros((48, 64), np.bool_)
    hole[2:12, 40:60] = True
    upright = np.rot90(hole, turn // 90)
    painter.fill_clip(source, write_mask(tmp_path / "m.png", upright), output)
    with _opened(source) as before, _opened(output) as after:
        old, new = (next(container.decode(video=0)) for container in (before, after))
        assert new.rotation == old.rotation
        changed = (old.to_ndarray() != new.to_ndarray()).any(axis=2)
    assert changed[hole].mean() > 0.9
    assert not changed[~hole].any()


@pytest.mark.parametrize(
    ("codec", "suffix", "form"),
    [
        ("libx264", "mp4", "yuv420p"),
        ("libvpx-vp9", "webm", "yuv420p"),
        ("mjpeg", "mov", "yuvj420p"),
    ],
)
def test_the_codec_is_the_clips(
    painter: VideoInpainter, tmp_path: Path, still: Path, codec: str, suffix: str, form: str
) -> None:
    source, output = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    write_clip(source, pattern(3), codec=codec, form=form)
    painter.fill_clip(source, still, output)
    with _opened(source) as before, _opened(output) as after:
        old, new = (container.streams.video[0] for container in (before, after))
        assert new.codec_context.name == old.codec_context.name
        assert new.codec_context.pix_fmt == old.codec_context.pix_fmt
        assert new.average_rate == old.average_rate
    assert [at for at, _ in read_planes(output)] == [at for at, _ in read_planes(source)]


def test_codec_quality_and_options_can_be_chosen(
    painter: VideoInpainter, tmp_path: Path, still: Path
) -> None:
    source = write_clip(tmp_path / "in.mkv", pattern(3))
    sizes = []
    for quality in (0, 50):
        output = tmp_path / f"{quality}.mp4"
        painter.fill_clip(
            source, still, output, codec="libx264", quality=quality, options={"preset": "ultrafast"}
        )
        sizes.append(output.stat().st_size)
    assert sizes[1] < 0.7 * sizes[0]


@pytest.mark.parametrize("size", [(49, 65), (16, 16), (1, 1)])
def test_odd_sizes_and_single_frames_are_filled(
    painter: VideoInpainter, tmp_path: Path, size: tuple[int, int]
) -> None:
    source = write_clip(tmp_path / "in.mkv", pattern(1, *size))
    hole = np.zeros(size, np.bool_)
    hole[: size[0] // 3, : size[1] // 3] = True
    mask = write_mask(tmp_path / "m.png", hole)
    for name in ("out.mkv", "out.mp4"):
        assert painter.fill_clip(source, mask, tmp_path / name).frames == 1
        with _opened(tmp_path / name) as clip:
            frame = next(clip.decode(video=0))
            assert (frame.height, frame.width) == size


def test_a_damaged_frame_is_named_counted_and_stood_in_for(
    painter: VideoInpainter, tmp_path: Path, still: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, output = tmp_path / "in.mov", tmp_path / "out.mov"
    write_clip(source, pattern(5), codec="png", form="rgb24", damaged=2)
    report = painter.fill_clip(source, still, output)
    assert (report.frames, report.lost) == (5, 1)
    assert "in.mov: frame 2 at 0.080 s cannot be decoded" in caplog.text
    planes = read_planes(output)
    assert [at for at, _ in planes] == [0, 40, 80, 120, 160]
    assert np.array_equal(planes[2][1][0], planes[1][1][0])
    assert not np.array_equal(planes[3][1][0], planes[2][1][0])


def test_masks_may_be_a_folder_or_a_clip(
    painter: VideoInpainter, tmp_path: Path, still: Path
) -> None:
    source = write_clip(tmp_path / "in.mkv", pattern(3))
    folder = tmp_path / "masks"
    folder.mkdir()
    holes = [np.roll(square_hole(), 4 * i, axis=1) for i in range(3)]
    for i, hole in enumerate(holes):
        write_mask(folder / f"{i}.png", hole)
    white = [np.repeat(hole[..., None], 3, axis=2).astype(np.uint8) * 255 for hole in holes]
    moving = write_clip(tmp_path / "mask.mkv", white, form="gray")
    results = []
    for mask in (folder, moving):
        painter.fill_clip(source, mask, tmp_path / "out.mkv")
        results.append([planes[0] for _, planes in read_planes(tmp_path / "out.mkv")])
    for i, hole in enumerate(holes):
        assert np.array_equal(results[0][i], results[1][i])
        before = read_planes(source)[i][1][0]
        assert np.array_equal(before[~hole], results[0][i][~hole])
        assert not np.array_equal(before[hole], results[0][i][hole])


def test_what_cannot_be_done_is_one_line_and_leaves_nothing(
    painter: VideoInpainter, tmp_path: Path, still: Path
) -> None:
    source = write_clip(tmp_path / "in.mkv", pattern(3))
    few = tmp_path / "few"
    few.mkdir()
    write_mask(few / "0.png", square_hole())
    short = write_clip(tmp_path / "short.mkv", pattern(2), form="gray")
    small = write_mask(tmp_path / "small.png", square_hole(32, 32))
    full = write_mask(tmp_path / "full.png", np.ones((64, 64), np.bool_))
    (tmp_path / "text.mp4").write_text("no clip at all")
    before = _left(tmp_path)
    out = tmp_path / "out.mkv"
    cases: list[tuple[type[Exception], str, Any, Any, Any, dict[str, Any]]] = [
        (MaskError, "few: holds 1 masks", source, few, out, {}),
        (MaskError, "short.mkv: has 2 frames, want one for each", source, short, out, {}),
        (MaskError, "small.png: is 32 x 32", source, small, out, {}),
        (MaskError, "covers all 64 x 64", source, full, out, {}),
        (VideoError, "text.mp4: is not a clip", tmp_path / "text.mp4", still, out, {}),
        (
            VideoError,
            "nowhere.mp4: there is no such file",
            tmp_path / "nowhere.mp4",
            still,
            out,
            {},
        ),
        (OutputError, "names no clip", source, still, tmp_path / "out.xyz", {}),
        (OutputError, "codec 'h266' is not there", source, still, out, {"codec": "h266"}),
        (OutputError, "webm", source, still, tmp_path / "out.webm", {"codec": "libx264"}),
        (OutputError, "is the input", source, still, source, {}),
        (OutputError, "there is no folder", source, still, tmp_path / "no" / "out.mkv", {}),
    ]
    for kind, line, clip, mask, output, how in cases:
        with pytest.raises(kind) as caught:
            painter.fill_clip(clip, mask, output, **how)
        assert line in str(caught.value)
        assert "\n" not in str(caught.value)
        assert _left(tmp_path) == before


def test_a_file_without_video_is_refused(
    painter: VideoInpainter, tmp_path: Path, still: Path
) -> None:
    import av

    from video_files import sing

    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        sing(container, container.add_stream("pcm_s16le", rate=8000), 0.2)
    with pytest.raises(VideoError, match=r"sound\.mkv: has no video stream"):
        painter.fill_clip(tmp_path / "sound.mkv", still, tmp_path / "out.mkv")


def test_an_interrupted_run_leaves_what_was_there(
    painter: VideoInpainter, tmp_path: Path, still: Path
) -> None:
    source, output = write_clip(tmp_path / "in.mkv", pattern(3)), tmp_path / "out.mkv"
    output.write_bytes(b"older")

    def stop(done: int, of_all: int | None) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        painter.fill_clip(source, still, output, on_progress=stop)
    assert output.read_bytes() == b"older"
    assert _left(tmp_path) == {"in.mkv", "out.mkv", "mask.png"}


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc/self/statm")
def test_memory_does_not_grow_with_the_clip(painter: VideoInpainter, tmp_path: Path) -> None:
    """A frame here is 0.7 MB as decoded and as RGB: 60 of them held would be 40 MB."""
    frame = pattern(1, 320, 480)[0]
    mask = write_mask(tmp_path / "m.png", np.zeros((320, 480), np.bool_))
    source = write_clip(tmp_path / "in.mkv", [frame] * 90, codec="libx264")
    held: list[int] = []

    def note(done: int, of_all: int | None) -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        held.append(pages * os.sysconf("SC_PAGE_SIZE"))

    painter.fill_clip(
        source, mask, tmp_path / "out.mkv", options={"preset": "ultrafast"}, on_progress=note
    )
    assert len(held) == 90
    assert held[-1] - held[30] < 20e6


def test_a_folder_of_pictures_gives_a_folder(painter: VideoInpainter, tmp_path: Path) -> None:
    source, output, hole = tmp_path / "frames", tmp_path / "out", square_hole()
    source.mkdir()
    for i, pixels in enumerate(pattern(3)):
        Image.fromarray(pixels).save(source / f"{i:03}.png")
    report = painter.fill_clip(source, write_mask(tmp_path / "m.png", hole), output)
    assert (report.frames, report.alone) == (3, 1)
    for path in sorted(source.iterdir()):
        before, after = (np.asarray(Image.open(p)) for p in (path, output / path.name))
        assert np.array_equal(before[~hole], after[~hole])
        assert not np.array_equal(before[hole], after[hole])
    with pytest.raises(OutputError, match="is the input"):
        painter.fill_clip(source, tmp_path / "m.png", source)


def test_a_damaged_picture_among_frames_is_named_counted_and_stood_in_for(
    painter: VideoInpainter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, masks, output = tmp_path / "frames", tmp_path / "masks", tmp_path / "out"
    source.mkdir()
    masks.mkdir()
    holes = [np.roll(square_hole(), 3 * i, axis=1) for i in range(4)]
    for i, pixels in enumerate(pattern(4)):
        Image.fromarray(pixels).save(source / f"{i}.png")
        write_mask(masks / f"{i}.png", holes[i])
    (source / "1.png").write_bytes((source / "1.png").read_bytes()[:200])
    report = painter.fill_clip(source, masks, output)
    assert (report.frames, report.lost) == (4, 1)
    assert "1.png cannot be decoded (is damaged or cut short" in caplog.text
    assert (output / "1.png").read_bytes() == (output / "0.png").read_bytes()
    before, after = (np.asarray(Image.open(p / "2.png")) for p in (source, output))
    assert np.array_equal(before[~holes[2]], after[~holes[2]])  # its own mask, not the lost one's
    assert not np.array_equal(before[holes[2]], after[holes[2]])


def test_a_folder_of_damaged_pictures_is_refused(
    painter: VideoInpainter, tmp_path: Path, still: Path
) -> None:
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "0.png").write_text("no picture")
    with pytest.raises(VideoError, match="frames: has no picture that can be decoded"):
        painter.fill_clip(tmp_path / "frames", still, tmp_path / "out")
    assert _left(tmp_path) == {"frames", "mask.png"}
    (tmp_path / "out").mkdir()  # one that was there stays
    with pytest.raises(VideoError):
        painter.fill_clip(tmp_path / "frames", still, tmp_path / "out")
    assert (tmp_path / "out").is_dir()


@pytest.mark.parametrize("kind", ["clip", "folder"])
def test_a_frame_that_fails_leaves_nothing_half_written(
    painter: VideoInpainter, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames, output = pattern(5), tmp_path / ("out" if kind == "folder" else "out.mkv")
    source = tmp_path / "in" if kind == "folder" else write_clip(tmp_path / "in.mkv", frames)
    if kind == "folder":
        source.mkdir()
        for i, pixels in enumerate(frames):
            Image.fromarray(pixels).save(source / f"{i}.png")
    mask = write_mask(tmp_path / "m.png", square_hole())
    fill, calls = FrameFiller.__call__, 0

    def fails(self: FrameFiller, frames: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise ZeroDivisionError
        return fill(self, frames)

    monkeypatch.setattr(FrameFiller, "__call__", fails)
    with pytest.raises(ZeroDivisionError):
        painter.fill_clip(source, mask, output)
    if kind == "clip":
        assert _left(tmp_path) == {"in.mkv", "m.png"}
    else:
        assert _left(output) <= {"0.png", "1.png"}  # whole ones
        for path in output.iterdir():
            Image.open(path).load()


def test_settings_are_checked(tiny_bundle: Path) -> None:
    with pytest.raises(ConfigError, match="steadiness is 2"):
        VideoInpainter.load(tiny_bundle, steadiness=2)
    with pytest.raises(ConfigError, match="speed is not a setting"):
        VideoInpainter.load(tiny_bundle, speed=2)
