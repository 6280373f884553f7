"""Between which numbers lies what the convolutions of a bundle see: measured on a photograph.

Bytes need that, and it changes with the weights. So it is measured when a bundle is loaded, on
parts of the packaged photograph, and no bundle has to hold it.
"""

from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swapfill.bundle import Bundle
from swapfill.config import Feature2ImageConfig
from swapfill.engines import numpy_images as images
from swapfill.engines.onnx_networks import graphs_of, part_of
from swapfill.engines.onnx_numbers import Numbers, Range, Ranges
from swapfill.engines.onnx_runtime import Provider, open_session
from swapfill.images import Photograph

Arrays = dict[str, NDArray[Any]]
_LEFT_OUT = 1e-4  # of what is seen, at either end: few numbers are far off
_BLURRED = 8  # times: what stands in for a guess


def ranges_of(bundle: Bundle, provider: Provider) -> dict[str, Numbers]:
    """Measure a bundle's encoder and its translators, by part.

    Raises:
        BundleError: a weights file is damaged or does not fit.
    """
    config, watched = bundle.config, Numbers(watched=True)
    translators = {part_of(side): one for side, one in config.feature2image.items()}
    graphs = graphs_of(config, bundle, dict.fromkeys(("encoder", *translators), watched))

    def seen(part: str, arrays: Arrays) -> Arrays:
        session = open_session(graphs[part].to_bytes(), bundle.folder, provider)
        return session.run_by_name(**arrays)

    found = {}
    for part, translator in translators.items():
        pictures = _parts(translator.side)
        encoded = seen("encoder", {"image": pictures})
        found["encoder"] = _numbers(encoded)
        found[part] = _numbers(seen(part, _guide(translator, pictures, encoded["features"])))
    return found


def _parts(side: int) -> NDArray[np.float32]:
    """Cut squares out of the packaged photograph, large and small: [B, 3, side, side]."""
    asset = files("swapfill") / "assets" / "demo.jpg"
    photo = Photograph.from_bytes(asset.read_bytes(), "demo.jpg").rgb
    whole = np.moveaxis(photo[None], 3, 1).astype(np.float32) / np.float32(255)
    half = images.resize(whole, 2 * side)
    parts = [half[:, :, top:, left:][..., :side, :side] for top in (0, side) for left in (0, side)]
    return np.ascontiguousarray(np.concatenate([images.resize(whole, side), *parts]))


def _guide(
    config: Feature2ImageConfig, pictures: NDArray[np.float32], features: NDArray[np.float32]
) -> Arrays:
    side = config.side
    hole = np.zeros((len(pictures), 1, side, side), np.bool_)
    hole[:, :, side // 4 : -side // 4, side // 4 : -side // 4] = True
    guess = images.resize(images.resize(pictures, side // _BLURRED), side)
    return {"features": features, "pixels": pictures, "guess": guess, "hole": hole}


def _numbers(seen: Arrays) -> Numbers:
    names = [name.removeprefix("sees ") for name in seen if name.startswith("sees ")]
    ranges = {at: Ranges(_range(seen[f"sees {at}"]), _range(seen[f"answers {at}"])) for at in names}
    return Numbers(ranges)


def _range(values: NDArray[np.float32]) -> Range:
    few = max(round(values.size * _LEFT_OUT), 1)
    ends = np.partition(values, [few - 1, values.size - few], axis=None)
    return Range(float(ends[few - 1]), float(ends[-few]))
