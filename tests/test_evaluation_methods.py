import pickle
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from evaluation_files import boxed, drawn
from swapfill.bundle import Bundle
from swapfill.config import FillSettings, Matching
from swapfill.engines import load_engine
from swapfill.errors import BundleError, ConfigError
from swapfill.evaluation.methods import METHODS, bundles, find
from swapfill.evaluation.methods.classical import fill_with_mean
from swapfill.evaluation.methods.interface import Wanted, versions

CLASSICAL = ["telea", "navier-stokes", "biharmonic", "mean", "patchmatch"]


@pytest.mark.parametrize("name", CLASSICAL)
def test_a_classical_method_fills_the_hole_and_nothing_else(name: str) -> None:
    if name == "patchmatch" and find_spec("patchmatch") is None:
        pytest.skip("pypatchmatch is not installed")
    truth, hole = drawn(height=40, width=44), boxed(40, 44)
    given = np.where(hole[..., None], np.uint8(0), truth)
    fill = METHODS[name].load(Wanted(name))
    filled = fill(given.copy(), hole)
    assert filled.dtype == np.uint8
    np.testing.assert_array_equal(filled[~hole], truth[~hole])
    assert np.abs(filled[hole].astype(int) - truth[hole]).mean() < 60  # black is off by 112
    np.testing.assert_array_equal(fill(given.copy(), hole), filled)  # twice the same


def test_the_mean_is_of_known_pixels_alone() -> None:
    picture = np.full((4, 4, 3), 50, np.uint8)
    picture[0] = 70
    hole = np.zeros((4, 4), np.bool_)
    hole[3] = True
    picture[3] = 255
    filled = fill_with_mean(picture, hole)
    assert (filled[3] == (70 + 50 + 50) // 3).all()


@pytest.mark.parametrize("name", ["default", "guess"])
def test_a_method_of_a_bundle_fills_the_hole_and_nothing_else(name: str, tiny_bundle: Path) -> None:
    truth, hole = drawn(height=40, width=44), boxed(40, 44)
    fill = METHODS[name].load(Wanted(name, str(tiny_bundle), device="cpu", precision="fp32"))
    filled = fill(np.where(hole[..., None], np.uint8(0), truth), hole)
    np.testing.assert_array_equal(filled[~hole], truth[~hole])
    assert filled[hole].std() > 0


@pytest.mark.parametrize(("matching", "asked"), [("coherent", 256), ("literal", 128)])
def test_the_guess_is_what_the_pipeline_starts_from_enlarged(
    matching: Matching, asked: int, tiny_bundle: Path
) -> None:
    engine = load_engine("auto", Bundle.open(tiny_bundle), "cpu", "fp32")
    picture = np.random.default_rng(0).random((1, 512, 512, 3), np.float32)
    hole = np.zeros((1, 512, 512), np.bool_)
    hole[:, 160:320, 200:360] = True
    picture[hole] = 0
    found = bundles.guess_windows(engine, picture, hole, FillSettings(matching=matching))
    given, missing = engine.put(picture, hole)
    wanted, _ = engine.infer(engine.resize(given, asked), engine.shrink(missing, asked))
    np.testing.assert_array_equal(found, engine.get(engine.resize(wanted, 512)))


def test_a_bundle_stands_in_two_rows_that_fill_otherwise(tiny_bundle: Path) -> None:
    given = Wanted("", device="cpu", precision="fp32", options={"blurred.matching": "blurred"})
    rows = find([f"plain={tiny_bundle}", f"blurred={tiny_bundle}"], given)
    truth, hole = drawn(height=128, width=128), boxed(128, 128)
    known = np.where(hole[..., None], np.uint8(0), truth)
    plain, blurred = (method.load(wanted)(known, hole) for method, wanted in rows)
    assert (plain != blurred).any()
    told = [method.describe(wanted)["fill"]["matching"] for method, wanted in rows]
    assert told == ["coherent", "blurred"]
    with pytest.raises(ConfigError, match="--set plain: matching is 'best'"):
        find([f"plain={tiny_bundle}"], Wanted("", options={"plain.matching": "best"}))


def test_the_settings_of_a_bundle_change_with_its_weights(own_bundle: Path) -> None:
    wanted = Wanted("mine", str(own_bundle))
    before = bundles.OWN.describe(wanted)
    sums = own_bundle / "SHA256SUMS"
    sums.write_text(sums.read_text().replace("a", "b"))
    assert bundles.OWN.describe(wanted) != before
    assert METHODS["guess"].describe(wanted) != bundles.OWN.describe(wanted)
    sums.unlink()
    with pytest.raises(BundleError, match="SHA256SUMS"):
        bundles.OWN.describe(wanted)


def test_paper_without_a_model_says_how_to_train_it() -> None:
    with pytest.raises(ConfigError) as caught:
        METHODS["paper"].describe(Wanted("paper"))
    line = str(caught.value)
    assert "swapfill train configs/paper-imagenet.toml" in line
    assert "--model FOLDER" in line
    assert (Path(__file__).parent.parent / "configs" / "paper-imagenet.toml").exists()


def test_paper_takes_a_model_by_either_way(tiny_bundle: Path) -> None:
    [(by_name, wanted)] = find([f"paper={tiny_bundle}"], Wanted(""))
    [(by_option, same)] = find(["paper"], Wanted("", str(tiny_bundle)))
    assert by_name is by_option is METHODS["paper"]
    assert wanted == same == Wanted("paper", str(tiny_bundle))
    assert by_name.describe(wanted)["model"] == "tiny"


def test_default_stays_the_packaged_one() -> None:
    [(_, wanted)] = find(["default"], Wanted("", "some/folder"))
    assert wanted.model is None


def test_a_name_of_ones_own_is_a_bundle() -> None:
    [(method, wanted)] = find([" mine=some/folder "], Wanted("", device="cpu"))
    assert method is bundles.OWN
    assert wanted == Wanted("mine", "some/folder", device="cpu")


def test_an_unknown_method_is_told_the_list() -> None:
    with pytest.raises(ConfigError, match=r"'lama' is unknown, want default, paper, .*mean, or N"):
        find(["lama"], Wanted(""))
    with pytest.raises(ConfigError, match="telea takes no folder"):
        find(["telea=x"], Wanted(""))


def test_a_package_that_is_missing_is_named() -> None:
    with pytest.raises(ConfigError, match=r"method x: .* want: pip install some-thing"):
        versions("x", no_such_module_here="some-thing")


@pytest.mark.parametrize("name", METHODS)
def test_another_process_can_find_what_loads_a_method(name: str) -> None:
    assert pickle.loads(pickle.dumps(METHODS[name].load)) is METHODS[name].load
