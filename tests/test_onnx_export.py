from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from onnx_models import write_bundle
from swapfill.bundle import Bundle, BundleConfig
from swapfill.config import (
    EncoderConfig,
    Feature2ImageConfig,
    FillSettings,
    Image2FeatureConfig,
)
from swapfill.engines import load_engine
from swapfill.engines.onnx_export import export
from swapfill.errors import BundleError, OutputError
from swapfill.pipeline import fill_windows


@pytest.fixture(scope="module")
def exported(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "new"
    export(Bundle.open(tiny_bundle), folder)
    return folder


def opened(folder: Path, part: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    path = folder / f"{part}.onnx"
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(folder: Path, part: str, **arrays: np.ndarray) -> Any:
    return opened(folder, part).run(None, arrays)


def test_the_files_alone_fill_a_hole_as_the_engine_does(exported: Path, tiny_bundle: Path) -> None:
    """Infer, match, translate as docs/export.md tells it, with nothing of ours but the files."""
    rng = np.random.default_rng(0)
    picture = rng.random((1, 3, 128, 128), dtype=np.float32)
    hole = np.zeros((1, 1, 128, 128), bool)
    hole[:, :, 40:88, 30:70] = True

    image, _ = run(exported, "image2feature", incomplete=picture, hole=hole)
    guess = np.where(hole, image, picture)
    (features,) = run(exported, "encoder", image=guess)
    cells = hole.reshape(1, 1, 32, 4, 32, 4).any(axis=(3, 5))
    arrays = {"asks": features, "keys": features, "values": features, "hole": cells}
    swapped, _ = run(exported, "patch_swap", **arrays)
    (filled,) = run(exported, "feature2image", features=swapped)

    engine = load_engine("onnx", Bundle.open(tiny_bundle), "cpu")
    windows = np.moveaxis(picture, 1, 3), hole[:, 0]
    wanted = fill_windows(engine, *windows, FillSettings(matching="literal"))
    np.testing.assert_allclose(filled, np.moveaxis(wanted, 3, 1), atol=1e-5)


def test_the_files_of_a_guided_model_fill_a_hole_as_the_engine_does(tmp_path: Path) -> None:
    small: dict[str, Any] = {"width": 8, "max_width": 16, "norm": "none"}
    config = BundleConfig(
        name="guided",
        encoder=EncoderConfig(width=4),
        image2feature=Image2FeatureConfig(**small),
        feature2image={"all": Feature2ImageConfig(side=128, guided=True, **small)},
    )
    bundle, folder = write_bundle(config, tmp_path / "guided"), tmp_path / "new"
    export(bundle, folder)
    picture = np.random.default_rng(0).random((1, 3, 128, 128), dtype=np.float32)
    hole = np.zeros((1, 1, 128, 128), bool)
    hole[:, :, 41:88, 30:71] = True  # some cells are missing in part

    guess = np.where(hole, run(folder, "image2feature", incomplete=picture, hole=hole)[0], picture)
    (features,) = run(folder, "encoder", image=guess)
    cells = np.asarray(hole.reshape(1, 1, 32, 4, 32, 4).any(axis=(3, 5)))
    beside = guess.reshape(1, 3, 32, 4, 32, 4).transpose(0, 1, 3, 5, 2, 4).reshape(1, 48, 32, 32)
    values = np.concatenate([features, beside], axis=1)
    swapped, _ = run(folder, "patch_swap", asks=features, keys=features, values=values, hole=cells)
    laid = swapped[:, 256:].reshape(1, 3, 4, 4, 32, 32).transpose(0, 1, 4, 2, 5, 3)
    pixels = np.where(hole, laid.reshape(1, 3, 128, 128), picture)
    guide = {"pixels": pixels, "guess": guess, "hole": hole}
    (filled,) = run(folder, "feature2image", features=swapped[:, :256], **guide)

    windows = np.moveaxis(picture, 1, 3), hole[:, 0]
    engine = load_engine("onnx", bundle, "cpu")
    wanted = fill_windows(engine, *windows, FillSettings(matching="literal"))
    np.testing.assert_allclose(filled, np.moveaxis(wanted, 3, 1), atol=1e-5)


def test_sizes_are_free_where_the_network_leaves_them_free(exported: Path) -> None:
    (features,) = run(exported, "encoder", image=np.zeros((3, 3, 40, 72), np.float32))
    assert features.shape == (3, 256, 10, 18)
    maps = np.zeros((2, 256, 64, 32), np.float32)
    assert run(exported, "feature2image", features=maps)[0].shape == (2, 3, 256, 128)


def test_inputs_and_outputs_have_the_names_of_the_docs(exported: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "export.md").read_text()
    for path in exported.glob("*.onnx"):
        session = opened(exported, path.stem)
        names = [one.name for one in (*session.get_inputs(), *session.get_outputs())]
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{path.name}`")]
        for name in names:
            assert f"`{name}`" in row


def test_config_and_card_go_along(exported: Path, tiny_bundle: Path) -> None:
    name = "config.json"
    assert (exported / name).read_bytes() == (tiny_bundle / name).read_bytes()


def test_a_damaged_bundle_leaves_nothing(own_bundle: Path, tmp_path: Path) -> None:
    path = own_bundle / "feature2image.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BundleError, match=r"feature2image\.safetensors: SHA-256"):
        export(Bundle.open(own_bundle), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_made_is_named(tiny_bundle: Path, photo: Path) -> None:
    with pytest.raises(OutputError, match=r"photo\.png: cannot be made"):
        export(Bundle.open(tiny_bundle), photo)
