import hashlib
import shutil
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from folder_files import ON_CPU, draw_mask, draw_photo, grey_painter
from swapfill.bundle import write_sums
from swapfill.config import FillSettings
from swapfill.folders import Folders
from swapfill.inpainter import Inpainter
from swapfill.picture_task import How, Outcome, PictureWorker, Task, _Room
from swapfill.receipts import Receipts


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    draw_photo(tmp_path / "photos/a/b.png")
    draw_mask(tmp_path / "masks/a/b.png")
    return Folders(tmp_path / "photos", tmp_path / "masks", tmp_path / "out")


def worker(folders: Folders, how: How | None = None, **settings: Any) -> PictureWorker:
    return PictureWorker(grey_painter(**settings), folders, how or How())


def test_a_picture_is_filled_as_the_painter_fills_it(folders: Folders, tmp_path: Path) -> None:
    outcome = worker(folders)(Task("a/b.png"))
    assert (outcome.name, outcome.status) == ("a/b.png", "done")
    alone = tmp_path / "alone.png"
    grey_painter().inpaint_file(folders.photos / "a/b.png", tmp_path / "masks/a/b.png", alone)
    written = (folders.output / "a/b.png").read_bytes()
    assert written == alone.read_bytes()
    assert outcome.entry is not None
    assert outcome.entry.result == hashlib.sha256(written).hexdigest()


def test_what_is_done_is_skipped_without_a_look_at_the_engine(folders: Folders) -> None:
    def broken(*_: Any) -> Any:
        raise AssertionError("filled again")

    first = worker(folders)(Task("a/b.png"))
    painter = Inpainter(ON_CPU, FillSettings(), fill_windows=broken)
    again = PictureWorker(painter, folders, How())(Task("a/b.png", first.entry))
    assert again == Outcome("a/b.png", "skipped", first.entry)


@pytest.mark.parametrize(
    "what", ["photo", "mask", "settings", "quality", "fit", "model", "result", "gone", "force"]
)
def test_what_has_changed_since_is_done_again(
    folders: Folders, own_bundle: Path, what: str
) -> None:
    how = How(str(own_bundle))
    first = worker(folders, how)(Task("a/b.png"))
    settings: dict[str, Any] = {}
    if what == "photo":
        draw_photo(folders.photos / "a/b.png", seed=1)
    elif what == "mask":
        Image.new("L", (24, 20)).save(folders.output.parent / "masks/a/b.png")
    elif what == "settings":
        settings = {"grow": 1}
    elif what == "quality":
        how = How(str(own_bundle), quality=50)
    elif what == "fit":
        how = How(str(own_bundle), fit_mask=True)
    elif what == "model":
        (own_bundle / "README.md").write_text("another")
        write_sums(own_bundle)
    elif what == "result":
        (folders.output / "a/b.png").write_bytes(b"spoilt")
    elif what == "gone":
        shutil.rmtree(folders.output)
    else:
        how = How(str(own_bundle), force=True)
    again = worker(folders, how, **settings)(Task("a/b.png", first.entry))
    assert again.status == "done"
    assert again.entry is not None
    assert first.entry is not None
    assert (again.entry.source == first.entry.source) == (what in ("result", "gone", "force"))


@pytest.mark.parametrize("lost", ["outcome", "result"])
def test_a_worker_that_comes_after_one_that_was_lost_does_what_is_not_done(
    folders: Folders, tmp_path: Path, lost: str
) -> None:
    def broken(*_: Any) -> Any:
        raise AssertionError("filled again")

    how = How(receipts=Receipts(tmp_path / "state"))
    first = worker(folders, how)(Task("a/b.png"))
    painter = Inpainter(ON_CPU, FillSettings(), fill_windows=broken)
    if lost == "result":  # lost between the receipt and the result
        (folders.output / "a/b.png").unlink()
        painter = grey_painter()
    assert PictureWorker(painter, folders, how)(Task("a/b.png")) == first
    assert (folders.output / "a/b.png").exists()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("photo", ["photos/a/b.png", "no picture"]),
        ("no photo", ["photos/a/b.png", "cannot be read"]),
        ("mask", ["masks/a/b.png", "is not a picture"]),
        ("no mask", ["photos/a/b.png", "has no mask"]),
        ("size", ["masks/a/b.png", "want 24 x 20"]),
        ("all", ["masks/a/b.png", "covers all"]),
        ("output", ["out/a", "cannot be made"]),
        ("engine", ["a/b.png", "a fault of ours", "ZeroDivisionError"]),
    ],
)
def test_a_fault_is_the_outcome_in_one_line(folders: Folders, spoil: str, words: list[str]) -> None:
    photo, mask = folders.photos / "a/b.png", folders.output.parent / "masks/a/b.png"
    painter = grey_painter()
    if spoil == "photo":
        photo.write_text("no picture")
        words = [words[0], "is not a picture"]
    elif spoil == "no photo":
        photo.unlink()
    elif spoil == "mask":
        mask.write_text("no picture")
    elif spoil == "no mask":
        mask.unlink()
    elif spoil == "size":
        draw_mask(mask, (30, 30))
    elif spoil == "all":
        Image.new("L", (24, 20), 255).save(mask)
    elif spoil == "output":
        folders.output.touch()
    else:
        painter = Inpainter(ON_CPU, FillSettings(), fill_windows=lambda *_: 1 // 0)  # type: ignore[arg-type]
    outcome = PictureWorker(painter, folders, How())(Task("a/b.png"))
    assert outcome.status == "failed"
    assert outcome.entry is None
    assert "\n" not in outcome.error
    for word in words:
        assert word in outcome.error
    assert not (folders.output / "a/b.png").exists()


def test_the_format_is_that_of_the_content_whatever_the_name(folders: Folders) -> None:
    shutil.copy(folders.photos / "a/b.png", folders.photos / "a/c.jpg")
    draw_mask(folders.output.parent / "masks/a/c.png")
    assert worker(folders)(Task("a/c.jpg")).status == "done"
    with Image.open(folders.output / "a/c.jpg") as result:
        assert result.format == "PNG"


def test_without_masks_what_is_transparent_is_filled(folders: Folders) -> None:
    pixels = np.full((20, 24, 4), 200, np.uint8)
    pixels[..., 3] = 255
    pixels[5:9, 5:9] = 0
    Image.fromarray(pixels).save(folders.photos / "a/b.png")
    of = Folders(folders.photos, None, folders.output)
    assert worker(of)(Task("a/b.png")).status == "done"
    with Image.open(folders.output / "a/b.png") as result:
        assert np.asarray(result)[..., 3].min() == 255


@pytest.mark.parametrize("masked", [True, False])
def test_neither_file_is_held_beside_the_samples(tmp_path: Path, masked: bool) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (4000, 400, 4), np.uint16)
    pixels[..., 3] = 65535
    pixels[5:9, 5:9, 3] = 0
    (tmp_path / "photos").mkdir()
    tifffile.imwrite(tmp_path / "photos/a.tif", pixels, photometric="rgb", extrasamples=[2])
    draw_mask(tmp_path / "mask.png", (400, 4000))
    mask = tmp_path / "mask.png" if masked else None
    working = worker(Folders(tmp_path / "photos", mask, tmp_path / "out"))
    tracemalloc.start()
    assert working(Task("a.tif")).status == "done"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.6 * pixels.nbytes  # each file is as large as these


def test_only_so_many_pixels_are_worked_on_at_once_but_one_picture_always() -> None:
    room, inside, most = _Room(100), 0, 0
    lock = threading.Lock()

    def work(count: int) -> None:
        nonlocal inside, most
        with room.for_pixels(count):
            with lock:
                inside += count
                most = max(most, inside)
            threading.Event().wait(0.002)
            with lock:
                inside -= count

    threads = [threading.Thread(target=work, args=(n,)) for n in (40, 50, 60, 500, 30, 20, 70)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
        assert not thread.is_alive()
    assert most == 500
    assert inside == 0
