from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from swapfill.errors import ImageError, OutputError
from swapfill.style import Stylist
from swapfill.style_folder import stylize_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    contents = tmp_path / "contents"
    (contents / "deep").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 255, (24, 20, 3), np.uint8)
    Image.fromarray(pixels).save(contents / "one.png")
    Image.fromarray(pixels).save(contents / "deep" / "two.jpg")
    (contents / "deep" / "bad.png").write_bytes(b"no picture")
    (contents / "notes.txt").write_text("left alone")
    Image.fromarray(pixels).save(tmp_path / "style.png")
    return contents


def test_a_folder_gives_the_same_tree_and_goes_on_past_a_failure(
    folder: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    stylist, output = Stylist.load(tiny_bundle), tmp_path / "out"
    report = stylize_folder(stylist, folder, [tmp_path / "style.png"], output)
    assert report.done == [Path("deep/two.jpg"), Path("one.png")]
    assert list(report.failed) == [Path("deep/bad.png")]
    assert "is not a picture" in report.failed[Path("deep/bad.png")]
    made = sorted(str(p.relative_to(output)) for p in output.rglob("*") if p.is_file())
    assert made == ["deep/two.jpg", "one.png"]
    (output / "one.png").unlink()
    again = stylize_folder(stylist, folder, [tmp_path / "style.png"], output)
    assert (again.done, again.skipped) == ([Path("one.png")], [Path("deep/two.jpg")])
    forced = stylize_folder(stylist, folder, [tmp_path / "style.png"], output, force=True)
    assert len(forced.done) == 2


def test_folders_that_cannot_work_are_refused(
    folder: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    stylist, style = Stylist.load(tiny_bundle), tmp_path / "style.png"
    with pytest.raises(OutputError, match="lies in the folder"):
        stylize_folder(stylist, folder, [style], folder / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="holds no picture"):
        stylize_folder(stylist, tmp_path / "empty", [style], tmp_path / "out")
