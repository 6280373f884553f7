"""From settings to pictures and holes; the packaged presets name data sets as they unpack."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from photo_files import as_folder, encoded, noise
from swapfill.errors import DataError
from swapfill.random_holes import blob_hole, box_hole, free_form_hole, mixed_hole
from swapfill.training.build import fixed_batches, hole_source, open_photos
from swapfill.training.chain import load_chain
from swapfill.training.photo_store import Decoded, Encoded
from swapfill.training.settings import DataSettings, TrainSettings

CONFIGS = Path(__file__).parents[1] / "configs"
Kind = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.bool_]]


@pytest.mark.parametrize(
    ("holes", "kind"),
    [
        ("box", box_hole),
        ("free-form", free_form_hole),
        ("blob", blob_hole),
        ("mixed", None),
        ("centre", None),
    ],
)
def test_each_kind_of_hole_can_be_asked_for_alone(holes: Any, kind: Kind | None) -> None:
    draw = hole_source(DataSettings(sources=("x",), holes=holes, centre_share=0.5))
    found = [draw(np.random.default_rng(i), 32) for i in range(20)]
    if kind is not None:  # no share of it is centred
        for i, hole in enumerate(found):
            np.testing.assert_array_equal(hole, kind(np.random.default_rng(i), (32, 32)))
    centred = sum(bool(hole.sum() == 14 * 14 and hole[9:23, 9:23].all()) for hole in found)
    assert (centred == 20) == (holes == "centre")
    assert (0 < centred < 20) == (holes == "mixed")
    draws = [mixed_hole(np.random.default_rng(i), (32, 32)) for i in range(20)]
    assert not all(np.array_equal(a, b) for a, b in zip(found, draws, strict=True))


def test_a_share_of_mixed_holes_are_strokes_seen_from_near() -> None:
    def drawn(**shares: float) -> list[NDArray[np.bool_]]:
        draw = hole_source(DataSettings(sources=("x",), holes="mixed", **shares))  # type: ignore[arg-type]
        return [draw(np.random.default_rng(i), 32) for i in range(40)]

    def same(a: list[NDArray[np.bool_]], b: list[NDArray[np.bool_]]) -> int:
        return sum(np.array_equal(x, y) for x, y in zip(a, b, strict=True))

    none, half, whole = (drawn(centre_share=0.5, close_share=share) for share in (0, 0.5, 1))
    centred = same(none, whole)
    assert 10 < centred < 30  # they share the centred ones alone
    assert centred < same(half, whole) < 40


def settings(folder: Path, **data: Any) -> TrainSettings:
    values = {"sources": [str(folder / "photos")], "cache": folder / "cache", "side": 16}
    return TrainSettings.read(
        {"stage": "encoder", "vgg": "vgg.safetensors", "data": values | data}, "here"
    )


def test_what_is_kept_is_a_setting_and_changes_no_picture(tmp_path: Path) -> None:
    as_folder({f"{i}.png": encoded(noise(i)) for i in range(3)}, tmp_path / "photos")
    decoded = open_photos(settings(tmp_path), print)
    kept = open_photos(settings(tmp_path, keep="encoded", workers=2), print)
    assert isinstance(decoded, Decoded)
    assert isinstance(kept, Encoded)
    for i in range(3):
        np.testing.assert_array_equal(decoded[i], kept[i])


def test_fixed_batches_leave_no_thread(tmp_path: Path) -> None:
    import threading

    as_folder({f"{i}.png": encoded(noise(i)) for i in range(3)}, tmp_path / "photos")
    before = set(threading.enumerate())
    assert len(fixed_batches(settings(tmp_path, workers=2), 3, 1, print)) == 3
    assert set(threading.enumerate()) == before


LAYOUTS = {
    "paper-imagenet": (
        "data/ILSVRC/Data/CLS-LOC/train/n01440764/n01440764_{}.JPEG",
        "data/ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_0000000{}.JPEG",
    ),
    "paper-coco": ("data/coco/train2017/00000000000{}.jpg", "data/coco/val2017/00000000013{}.jpg"),
    "paper-paris": ("data/paris_train_original/00{}_im.JPG", "data/paris_eval_gt/00{}_im.png"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_papers_presets_read_the_data_sets_where_they_unpack(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path, count in zip(LAYOUTS[name], (3, 2), strict=True):
        kind = "PNG" if path.endswith("png") else "JPEG"
        as_folder({path.format(i): encoded(noise(i), kind) for i in range(count)}, tmp_path)
    monkeypatch.chdir(tmp_path)
    chain = load_chain(CONFIGS / f"{name}.toml", ["data.side=16", "data.workers=1"], Path("run"))
    for link in chain.links[:1]:
        assert link.settings.data.keep == "encoded"  # decoded they would fill a disk
        assert len(open_photos(link.settings, print)) == 3
        assert len(fixed_batches(link.settings, 2, 1, print)) == 2


def test_a_data_set_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    chain = load_chain(CONFIGS / "paper-coco.toml", [], Path("run"))
    with pytest.raises(DataError, match=r"^data/coco/train2017: no such tar file, folder or list"):
        open_photos(chain.links[0].settings, print)
