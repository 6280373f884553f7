import io
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from jpeg_files import SEQUENTIAL, by_pillow
from swapfill import jpeg_stream
from swapfill.jpeg_stream import BlockStream, segments


def stream_of(data: bytes) -> BlockStream:
    stream = BlockStream.read(data)
    assert stream is not None
    return stream


def all_blocks(stream: BlockStream) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.arange(len(stream.bounds))


@pytest.mark.parametrize("make", SEQUENTIAL.values(), ids=SEQUENTIAL)
def test_every_block_decoded_and_written_again_gives_the_file(make: Callable[[], bytes]) -> None:
    source = make()  # by libjpeg: an encoder that shares no line with ours
    stream = stream_of(source)
    numbers = all_blocks(stream)
    assert stream.with_blocks(numbers, stream.dc, stream.rest(numbers)) == source


@pytest.mark.parametrize("kind", ["4:2:0", "restart"])
def test_some_blocks_written_again_give_the_file(kind: str) -> None:
    source = SEQUENTIAL[kind]()
    stream = stream_of(source)
    for numbers in (all_blocks(stream)[::5], all_blocks(stream)[-1:], all_blocks(stream)[:0]):
        assert stream.with_blocks(numbers, stream.dc[numbers], stream.rest(numbers)) == source


@pytest.mark.parametrize("kind", ["4:2:0", "restart", "grey"])
def test_units_made_tokens_a_few_at_once_give_the_file(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SEQUENTIAL[kind]()
    stream = stream_of(source)
    for units in (1, 7):
        monkeypatch.setattr(jpeg_stream, "_UNITS_AT_ONCE", units)
        for numbers in (all_blocks(stream), all_blocks(stream)[::5]):
            rest = stream.rest(numbers)
            assert stream.with_blocks(numbers, stream.dc[numbers], rest) == source


def test_writing_all_blocks_takes_little_more_than_their_coefficients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jpeg_stream, "_UNITS_AT_ONCE", 256)
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (512, 512), np.uint8)
    Image.fromarray(noise).save(file, "JPEG", quality=90)
    stream = stream_of(file.getvalue())
    numbers = all_blocks(stream)
    dc, rest = stream.dc, stream.rest(numbers).astype(np.int16)
    tracemalloc.start()
    assert stream.with_blocks(numbers, dc, rest) == file.getvalue()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 15 * rest.nbytes  # of noise, where nearly every coefficient is a token


def test_long_runs_of_zeros_and_long_scans_are_followed() -> None:
    random = np.random.default_rng(0)
    fine = (np.indices((400, 400)).sum(axis=0) % 2 * 200).astype(np.uint8)  # highest frequency only
    for picture, quality in ((fine, 75), (random.integers(0, 256, (400, 400), np.uint8), 100)):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=quality)
        stream = stream_of(file.getvalue())
        numbers = all_blocks(stream)
        rest = stream.rest(numbers)
        assert (rest[:, 63] != 0).mean() > 0.9
        assert stream.with_blocks(numbers, stream.dc, rest) == file.getvalue()


@pytest.mark.parametrize("kind", ["4:2:2", "restart", "grey"])
def test_a_new_block_changes_no_other(kind: str) -> None:
    source = stream_of(SEQUENTIAL[kind]())
    numbers = all_blocks(source)[7:40:11]
    content = np.zeros((len(numbers), 64), np.int32)
    content[:, 5] = -9
    written = source.with_blocks(numbers, np.full(len(numbers), 55), content)
    assert written is not None
    result = stream_of(written)
    others = np.setdiff1d(all_blocks(source), numbers)
    np.testing.assert_array_equal(result.dc[others], source.dc[others])
    np.testing.assert_array_equal(result.rest(others), source.rest(others))
    np.testing.assert_array_equal(result.dc[numbers], 55)
    np.testing.assert_array_equal(result.rest(numbers), content)


def test_a_table_without_the_codes_that_are_wanted_gets_them() -> None:
    file = io.BytesIO()
    Image.new("L", (64, 48), 90).save(file, "JPEG", optimize=True)
    source = stream_of(file.getvalue())
    content = np.random.default_rng(0).integers(-40, 40, (3, 64)).astype(np.int32)
    numbers = np.array([4, 5, 20])
    written = source.with_blocks(numbers, np.array([7, -800, 3]), content)
    assert written is not None
    result = stream_of(written)
    np.testing.assert_array_equal(result.rest(numbers)[:, 1:], content[:, 1:])
    assert result.dc[numbers].tolist() == [7, -800, 3]
    old, new = (np.asarray(Image.open(io.BytesIO(f))) for f in (file.getvalue(), written))
    np.testing.assert_array_equal(new[24:], old[24:])


def test_the_frequencies_are_those_that_a_flat_picture_has() -> None:
    file = io.BytesIO()
    Image.new("L", (20, 9), 128 + 30).save(file, "JPEG", quality=100)  # steps of 1
    stream = stream_of(file.getvalue())
    assert stream.units == (2, 3)
    assert stream.dc.tolist() == [8 * 30] * 6
    assert not stream.rest(all_blocks(stream)).any()


def test_what_is_not_sequential_is_left_alone() -> None:
    assert BlockStream.read(by_pillow("RGB", progressive=True)()) is None


def test_padding_between_segments_is_skipped() -> None:
    source = SEQUENTIAL["4:2:0"]()
    padded = BlockStream.read(source[:20] + b"\xff\xff\xff" + source[20:])
    assert padded is not None
    assert padded.with_blocks(*(np.zeros(0, np.int64),) * 2, np.zeros((0, 64), np.int32)) == source


def test_what_comes_behind_the_picture_is_left_out() -> None:
    source = SEQUENTIAL["4:2:0"]()
    stream = stream_of(source + b"\xff\x00 more \xff\xd0\xff\xd9")
    numbers = all_blocks(stream)
    assert stream.with_blocks(numbers, stream.dc, stream.rest(numbers)) == source


def test_bits_that_are_no_code_are_damage_even_if_all_ends_well() -> None:
    file = io.BytesIO()
    Image.new("L", (16, 8)).save(file, "JPEG")  # two blocks, codes of the standard
    source = file.getvalue()
    # No step of luma; 16 ones are no code: a decoder that goes on one bit behind finds the code of
    # run 15 and 9 bits for the second block, those, and the end of the block.
    bits = "00" + "1" * 16 + "01" + "0" * 9 + "1010" + "1" * 7
    scan = int(bits, 2).to_bytes(5, "big").replace(b"\xff", b"\xff\0")
    assert BlockStream.read(source[: list(segments(source))[-1].end] + scan + b"\xff\xd9") is None


def damaged() -> dict[str, bytes]:
    source = SEQUENTIAL["4:2:0"]()
    scan = list(segments(source))[-1].end
    restart = SEQUENTIAL["restart"]()
    mark = restart.index(b"\xff\xd1")
    return {
        "cut short": source[:-40],
        "no end": source[:-2],
        "no scan": source[:scan],
        "head only": source[:30],
        "nothing": b"",
        "another end": source[:-2] + b"\xff\xc4",
        "bits left over": source[:-2] + b"\x55\x55" + source[-2:],
        "bits missing": source[:-12] + source[-2:],
        "no codes": source[: scan + 300] + b"\xfe\xfe" * 40 + source[scan + 380 :],
        "a part is missing": restart[: restart.rindex(b"\xff\xd0")] + b"\xff\xd9",
        "restarts out of turn": restart[:mark] + b"\xff\xd5" + restart[mark + 2 :],
        "a table is missing": source.replace(b"\xff\xc4\x00\x1f\x01", b"\xff\xe9\x00\x1f\x01"),
        "arithmetic": source.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc9\x00\x11\x08"),
        "12 bits": source.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c"),
    }


@pytest.mark.parametrize("kind", damaged())
def test_a_damaged_file_has_no_blocks(kind: str) -> None:
    assert BlockStream.read(damaged()[kind]) is None
