"""A crop around a hole."""

import numpy as np
import pytest
import torch

from swapfill import encoder
from swapfill.encoder import STRIDE, VGG19
from swapfill.evaluation.crops import crop_of
from swapfill.networks import initialise
from swapfill.patch_swap import feature_hole

_THIN = 16  # of VGG-19's channels one is left


@pytest.mark.parametrize("layer", ["relu3_1", "relu4_1"])
def test_a_crop_holds_all_that_the_features_of_the_hole_depend_on(
    layer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = [
        (e[0], e[1] // _THIN or 3, e[2] // _THIN) if isinstance(e, tuple) else e
        for e in encoder._VGG19
    ]
    monkeypatch.setattr(encoder, "_VGG19", table)
    vgg, side, stride = VGG19(layer), 256, STRIDE[layer]
    initialise(vgg, torch.Generator().manual_seed(0))
    image, hole = torch.rand(1, 3, side, side), torch.zeros(1, 1, side, side, dtype=torch.bool)
    hole[..., 101:131, 90:143] = True
    lines = (hole[0, 0].any(dim=1 - axis).numpy() for axis in (0, 1))
    rows, columns = (crop_of(line, layer) for line in lines)
    assert rows.stop - rows.start < side
    assert not any(edge % stride for edge in (rows.start, rows.stop, columns.start, columns.stop))
    whole, part = vgg(image), vgg(image[:, :, rows, columns])
    cut = [slice(edge.start // stride, edge.stop // stride) for edge in (rows, columns)]
    cells = feature_hole(hole, side // stride)[0, 0, cut[0], cut[1]]
    assert cells.any()
    torch.testing.assert_close(part[..., cells], whole[..., cut[0], cut[1]][..., cells])


def test_a_crop_ends_with_the_picture() -> None:
    line = np.zeros(64, np.bool_)
    line[2:60] = True
    assert crop_of(line, "relu3_1") == slice(0, 64)
