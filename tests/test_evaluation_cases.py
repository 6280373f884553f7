from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from evaluation_files import drawn, photographs
from photo_files import as_folder, as_tar, encoded
from swapfill.errors import ConfigError, DataError, OutputError
from swapfill.evaluation.cases import Case, prepare
from swapfill.evaluation.settings import EvaluateSettings
from swapfill.random_holes import box_hole, centre_hole, free_form_hole

Failures = dict[str, str]


def prepared(
    data: Path, folder: Path, masks: Path | None = None, **settings: Any
) -> tuple[list[Case], Failures]:
    failures: Failures = {}
    asked = EvaluateSettings.read(settings, "test")
    cases = prepare(
        str(data),
        asked,
        folder,
        masks=masks,
        on_failure=failures.__setitem__,
        say=lambda line: None,
    )
    return cases, failures


def as_mask(hole: NDArray[np.bool_]) -> bytes:
    return encoded(np.repeat(hole[..., None].astype(np.uint8) * 255, 3, axis=2))


def test_the_papers_protocol_is_a_square_with_a_hole_of_7_16(tmp_path: Path) -> None:
    data = as_folder({"wide.png": encoded(drawn(0, 40, 60))}, tmp_path / "data")
    [case], failures = prepared(data, tmp_path / "report", size=64)
    truth, hole = case.read()
    resized = Image.fromarray(drawn(0, 40, 60)).resize((64, 64), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(truth, np.asarray(resized))
    np.testing.assert_array_equal(hole, centre_hole(64))
    assert hole.sum() == 28**2
    assert (case.name, case.size, failures) == ("wide", (64, 64), {})
    assert case.share == pytest.approx(28**2 / 64**2)
    assert EvaluateSettings().size == 512


@pytest.mark.parametrize(("protocol", "draw"), [("free-form", free_form_hole), ("boxes", box_hole)])
def test_a_drawn_hole_depends_on_seed_and_index_alone(
    protocol: str, draw: Any, tmp_path: Path
) -> None:
    data = photographs(tmp_path / "data", 3, 48)
    shares = ((0.1, 0.2), (0.3, 0.4))
    cases, _ = prepared(data, tmp_path / "a", protocol=protocol, size=0, seed=5, shares=shares)
    for i, case in enumerate(cases):
        wanted = draw(np.random.default_rng([5, i]), (48, 48), shares[i % 2])
        np.testing.assert_array_equal(case.read()[1], wanted)
    (data / "p0.png").write_bytes(b"no picture")
    again, failures = prepared(
        data, tmp_path / "b", protocol=protocol, size=0, seed=5, shares=shares
    )
    assert [case.digest for case in again] == [case.digest for case in cases[1:]]
    assert failures.keys() == {"p0"}


def test_pictures_keep_their_own_size_when_that_is_asked(tmp_path: Path) -> None:
    data = as_folder({"wide.png": encoded(drawn(0, 40, 60))}, tmp_path / "data")
    [case], _ = prepared(data, tmp_path / "report", protocol="boxes", size=0)
    np.testing.assert_array_equal(case.read()[0], drawn(0, 40, 60))


def test_a_tar_file_and_a_list_hold_the_same_pictures(tmp_path: Path) -> None:
    members = {"a/x.png": encoded(drawn(0)), "b.png": encoded(drawn(1))}
    folder = as_folder(members, tmp_path / "data")
    tar = as_tar(members, tmp_path / "data.tar")
    listed = tmp_path / "data.txt"
    listed.write_text("data/a/x.png\n\ndata/b.png\n")
    found = [prepared(data, tmp_path / "r", size=64)[0] for data in (folder, tar, listed)]
    assert [[case.name for case in cases] for cases in found] == [["a/x", "b"]] * 2 + [["x", "b"]]
    digests = {tuple(case.digest for case in cases) for cases in found}
    assert len(digests) == 1


def test_no_picture_leaves_the_folder_or_replaces_another(tmp_path: Path) -> None:
    pictures = [encoded(drawn(i)) for i in range(4)]
    names = ["../../x.png", "/x.jpg", "y/x.png", "X.png"]
    tar = as_tar(dict(zip(names, pictures, strict=True)), tmp_path / "data.tar")
    cases, _ = prepared(tar, tmp_path / "report", size=64)
    assert [case.name for case in cases] == ["x", "x~2", "y/x", "X~3"]
    assert len({case.digest for case in cases}) == 4
    written = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("truth/**/*.png"))
    assert len(written) == 4


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    members = {"good.png": encoded(drawn()), "bad.png": b"no picture", "small.png": b""}
    data = as_folder(members, tmp_path / "data")
    Image.new("RGB", (31, 40)).save(data / "small.png")
    cases, failures = prepared(data, tmp_path / "report", protocol="boxes", size=0)
    assert [case.name for case in cases] == ["good"]
    assert "bad: is not a picture" in failures["bad"]
    assert failures["small"] == "small: is 31 x 40 pixels, want at least 32 a side"


def test_masks_pair_by_name_and_what_does_not_is_named(tmp_path: Path) -> None:
    hole = np.zeros((48, 56), np.bool_)
    hole[5:20, 7:30] = True
    names = ["one", "deep/two", "unpaired", "other_size", "empty", "full"]
    data = as_folder({f"{name}.jpg": encoded(drawn()) for name in names}, tmp_path / "data")
    drawn_masks = {
        "one.png": as_mask(hole),
        "two.webp": as_mask(hole),
        "other_size.png": as_mask(hole[1:]),
        "empty.png": as_mask(hole & False),
        "full.png": as_mask(hole | True),
    }
    masks = as_folder(drawn_masks, tmp_path / "masks")
    cases, failures = prepared(data, tmp_path / "report", masks, protocol="masks", size=0)
    assert [case.name for case in cases] == ["deep/two", "one"]
    np.testing.assert_array_equal(cases[0].read()[1], hole)
    assert failures.keys() == {"unpaired", "other_size", "empty", "full"}
    assert "there is no mask of its name" in failures["unpaired"]
    assert "56 x 47 pixels" in failures["other_size"]
    assert "no hole" in failures["empty"]
    assert "all hole" in failures["full"]


def test_masks_are_resized_with_their_pictures(tmp_path: Path) -> None:
    hole = np.zeros((40, 60), np.bool_)
    hole[:20, :30] = True
    data = as_folder({"a.png": encoded(drawn(0, 40, 60))}, tmp_path / "data")
    masks = as_folder({"a.png": as_mask(hole)}, tmp_path / "masks")
    [case], _ = prepared(data, tmp_path / "report", masks, protocol="masks", size=64)
    wanted = np.zeros((64, 64), np.bool_)
    wanted[:32, :32] = True
    np.testing.assert_array_equal(case.read()[1], wanted)


def test_what_is_laid_out_is_not_written_again_unless_it_changed(tmp_path: Path) -> None:
    data = photographs(tmp_path / "data", 1)
    [case], _ = prepared(data, tmp_path / "report", size=32)
    before = case.truth.stat().st_mtime_ns, case.mask.stat().st_mtime_ns
    prepared(data, tmp_path / "report", size=32)
    assert (case.truth.stat().st_mtime_ns, case.mask.stat().st_mtime_ns) == before
    case.truth.write_bytes(case.truth.read_bytes()[:100])
    [again], _ = prepared(data, tmp_path / "report", size=32)
    assert again.read()[0].shape == (32, 32, 3)
    Image.fromarray(drawn(9, 32, 32)).save(data / "p0.png")
    [changed], _ = prepared(data, tmp_path / "report", size=32)
    np.testing.assert_array_equal(changed.read()[0], drawn(9, 32, 32))
    assert changed.digest != case.digest == again.digest


def test_a_limit_takes_the_first_pictures(tmp_path: Path) -> None:
    data = photographs(tmp_path / "data", 3)
    cases, _ = prepared(data, tmp_path / "report", size=32, limit=2)
    assert [case.name for case in cases] == ["p0", "p1"]


def test_deep_pictures_come_down_to_8_bits(tmp_path: Path) -> None:
    grey = np.full((40, 40), 257 * 77, np.uint16)
    grey[0, 0] = 65535
    (tmp_path / "data").mkdir()
    Image.fromarray(grey).save(tmp_path / "data" / "deep.png")
    [case], _ = prepared(tmp_path / "data", tmp_path / "report", protocol="boxes", size=0)
    truth = case.read()[0]
    assert truth[0, 0].tolist() == [255] * 3
    assert truth[5, 5].tolist() == [77] * 3


def test_data_that_is_nowhere_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        prepared(tmp_path / "nowhere", tmp_path / "report")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: holds no pictures"):
        prepared(tmp_path / "empty", tmp_path / "report")
    data = photographs(tmp_path / "data", 1)
    with pytest.raises(DataError, match="no such folder"):
        prepared(data, tmp_path / "report", tmp_path / "masks", protocol="masks", size=0)


def test_a_report_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    data = photographs(tmp_path / "data", 1)
    (tmp_path / "report").write_text("a file")
    with pytest.raises(OutputError, match="cannot be made"):
        prepared(data, tmp_path / "report", size=32)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"protocol": "lama"}, "protocol is 'lama'"),
        ({"size": 31}, "size is 31, want 0 or at least 32"),
        ({"size": 0}, "size is 0, want the side of the square"),
        ({"shares": [(0.2, 0.1)]}, "shares are 0.2-0.1, want the least first"),
        ({"shares": []}, "shares are empty"),
        ({"limit": -1}, "limit"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        EvaluateSettings.read(settings, "test")
