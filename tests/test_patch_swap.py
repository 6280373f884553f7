import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from swapfill import patch_products as products
from swapfill import patch_swap as module
from swapfill.encoder import VGG19
from swapfill.errors import NoKnownPatchError
from swapfill.networks import initialise
from swapfill.patch_swap import (
    Match,
    candidates,
    feature_hole,
    match,
    match_between,
    paste,
    paste_between,
    patch_norms,
    patch_swap,
    touching,
)
from swapfill.weights import load_into

SHARED_VGG = Path(__file__).parents[2] / "shared" / "weights" / "vgg19_relu3_1.safetensors"


def swap_by_definition(
    features: Tensor,
    hole: Tensor,
    keys: Tensor | None = None,
    values: Tensor | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """The equation written out with loops: slow, and too plain to share a mistake with the code."""
    keys = features if keys is None else keys
    values = keys if values is None else values
    missing, asked, known, copied = (t.double().numpy() for t in (hole[0], features, keys, values))
    height, width = missing.shape
    corners = list(itertools.product(range(height - 2), range(width - 2)))

    def patch(of: NDArray[np.float64], y: int, x: int) -> NDArray[np.float64]:
        return np.asarray(of[..., y : y + 3, x : x + 3])

    whole = [c for c in corners if not patch(missing, *c).any()]
    queries = [c for c in corners if patch(missing, *c).any()]
    total, count = np.zeros_like(copied), np.zeros_like(missing)
    for i, (y, x) in enumerate(queries):
        p, best, taken = patch(asked, y, x), -2.0, whole[0]
        for c in whole:
            q = patch(known, *c)
            scale = np.sqrt((p * p).sum() * (q * q).sum())
            cosine = (p * q).sum() / scale if scale else 0.0
            if cosine > best:
                best, taken = cosine, c
        share = 1.0 if weight is None else float(weight[i])
        total[:, y : y + 3, x : x + 3] += share * patch(copied, *taken)
        count[y : y + 3, x : x + 3] += share
    mean = torch.from_numpy(total / np.where(count > 0, count, 1))
    return torch.where(hole, mean, values.double())


def random_map(seed: int, channels: int = 4, size: tuple[int, int] = (8, 9)) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(channels, *size, generator=generator) - 0.2


def whole_numbers(seed: int, batch: int = 1, size: tuple[int, int] = (8, 9)) -> Tensor:
    """Features whose inner products are exact in any order of summing."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-4, 9, (batch, 4, *size), generator=generator).float()


def hole_of(picture: str) -> Tensor:
    rows = picture.split()
    return torch.tensor([[[letter == "#" for letter in row] for row in rows]])


HOLES = {
    "centre": "......... ......... ...###... ...###... ...###... ......... ......... .........",
    "corner": "##....... ##....... ......... ......... ......... ......... ......... .........",
    "far corner": "......... ......... ......... ......... ......... ......... .......## .......##",
    "one cell": "......... ......... ......... ......... ....#.... ......... ......... .........",
    "tip": "........# ......... ......... ......... ......... ......... ......... .........",
    "top border": "######### ######### ......... ......... ......... ......... ......... .........",
    "right half": ".....#### .....#### .....#### .....#### .....#### .....#### .....#### .....####",
    "ragged": ".#....... ..#...... ..##..... ......... .......## ......#.. ........# .........",
    "scratch": "......... ......... #######.. ......... ......... ......... ......... .........",
    "3x3 left": "######### ######### ###...### ###...### ###...### ######### ######### #########",
}


@pytest.mark.parametrize("name", HOLES)
@pytest.mark.parametrize("seed", [0, 1])
def test_agrees_with_the_definition_for_a_hole_of_any_shape(name: str, seed: int) -> None:
    features, hole = random_map(seed), hole_of(HOLES[name])
    found = patch_swap(features[None], hole[None])[0]
    torch.testing.assert_close(found.double(), swap_by_definition(features, hole))


@pytest.mark.parametrize("size", [(3, 9), (12, 5), (4, 4)])
def test_agrees_with_the_definition_on_a_map_of_any_size(size: tuple[int, int]) -> None:
    features = random_map(2, 3, size)
    hole = torch.zeros(1, *size, dtype=torch.bool)
    hole[0, -1, -1] = True
    found = patch_swap(features[None], hole[None])[0]
    torch.testing.assert_close(found.double(), swap_by_definition(features, hole))


@pytest.mark.parametrize("name", ["centre", "corner", "ragged"])
def test_candidates_are_compared_by_keys_and_copied_from_values(name: str) -> None:
    features, keys, values = random_map(0), random_map(1), random_map(2, channels=6)
    hole = hole_of(HOLES[name])
    batch = features[None], hole[None]

    only_keys = patch_swap(*batch, keys=keys[None])[0]
    torch.testing.assert_close(only_keys.double(), swap_by_definition(features, hole, keys))
    only_values = patch_swap(*batch, values=values[None])[0]
    torch.testing.assert_close(
        only_values.double(), swap_by_definition(features, hole, None, values)
    )
    both = patch_swap(*batch, keys=keys[None], values=values[None])[0]
    torch.testing.assert_close(both.double(), swap_by_definition(features, hole, keys, values))


@pytest.mark.parametrize("name", HOLES)
def test_leaves_known_features_alone_bit_for_bit(name: str) -> None:
    features, values, hole = random_map(3), random_map(4, channels=2), hole_of(HOLES[name])
    untouched = features.clone()
    found = patch_swap(features[None], hole[None], values=values[None])[0]
    assert torch.equal(found[:, ~hole[0]], values[:, ~hole[0]])
    assert torch.equal(features, untouched)


def test_an_empty_hole_changes_nothing() -> None:
    features = random_map(0)[None]
    found = patch_swap(features, torch.zeros(1, 1, 8, 9, dtype=torch.bool))
    assert torch.equal(found, features)


def test_a_batch_equals_its_maps_one_by_one() -> None:
    features = torch.stack([random_map(seed) for seed in range(4)])
    names = ["centre", "right half", "ragged"]
    hole = torch.stack([hole_of(HOLES[n]) for n in names] + [torch.zeros(1, 8, 9) > 0])
    found = patch_swap(features, hole)
    for i in range(4):
        assert torch.equal(found[i : i + 1], patch_swap(features[i : i + 1], hole[i : i + 1]))


def test_a_batch_of_no_map_stays_one() -> None:
    features, hole = torch.rand(0, 3, 8, 9), torch.zeros(0, 1, 8, 9, dtype=torch.bool)
    assert patch_swap(features, hole).shape == (0, 3, 8, 9)


def test_ties_go_to_the_first_candidate_in_reading_order() -> None:
    hole = hole_of(HOLES["centre"])
    flat = torch.ones(4, 8, 9)
    found = match(flat, hole, flat)
    assert (found.candidate == 0).all()
    # the same patch at two places, the second pasted in another row and further left
    features = whole_numbers(0)[0].abs() + 1
    features[:, 5:8, 0:3] = features[:, 2:5, 6:9] = features[:, 3:6, 3:6]
    hole = torch.zeros(1, 8, 9, dtype=torch.bool)
    hole[0, 4, 4] = True
    found = match(features, hole, features)
    middle = (found.query == torch.tensor([3, 3])).all(dim=1)
    assert found.candidate[middle].tolist() == [[2, 6]]


def test_the_contrast_of_the_guess_does_not_matter() -> None:
    features, hole = random_map(5)[None], hole_of(HOLES["right half"])[None]
    keys = random_map(6)[None]
    wanted = patch_swap(features, hole, keys=keys)
    assert torch.equal(patch_swap(features * 2.0**-20, hole, keys=keys), wanted)
    assert torch.equal(patch_swap(features * 2.0**20, hole, keys=keys), wanted)


def test_features_that_are_zero_give_no_nan() -> None:
    hole = hole_of(HOLES["centre"])
    zeros = torch.zeros(4, 8, 9)
    found = match(zeros, hole, zeros)
    assert (found.similarity == 0).all()
    assert (patch_swap(zeros[None], hole[None]) == 0).all()
    # zero patches among others: a positive cosine beats them, they beat a negative one
    features = random_map(7).abs()
    features[:, :, :4] = 0
    torch.testing.assert_close(
        patch_swap(features[None], hole[None])[0].double(), swap_by_definition(features, hole)
    )
    against = torch.where(hole, features, -features)
    chosen = match(against, hole, against)
    inside = touching(hole)[chosen.query[:, 0], chosen.query[:, 1]]
    assert inside.all()
    assert torch.isfinite(chosen.similarity).all()


@pytest.mark.parametrize(
    "hole",
    [
        torch.ones(1, 8, 9, dtype=torch.bool),
        hole_of("..####.. ..####.. ..####.. ..####.."),  # strips of two cells
        hole_of("....... ....... ..###.. ..###.. ..###.. ....... ......."),
        hole_of("........ ........ ########"),
    ],
)
def test_a_hole_that_leaves_no_known_patch_is_refused(hole: Tensor) -> None:
    height, width = hole.shape[1:]
    features = torch.rand(1, 2, height, width)
    with pytest.raises(NoKnownPatchError, match=f"no known 3x3 patch in {height}x{width}"):
        patch_swap(features, hole[None])


def test_one_map_of_a_batch_without_a_known_patch_is_enough_to_refuse() -> None:
    hole = torch.stack([hole_of(HOLES["centre"]), torch.ones(1, 8, 9) > 0])
    with pytest.raises(NoKnownPatchError):
        patch_swap(torch.rand(2, 3, 8, 9), hole)


@pytest.mark.parametrize("block", [1, 700, 3000, 10**9])
def test_the_size_of_a_block_changes_nothing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    features = whole_numbers(1)
    for name in HOLES:
        hole = hole_of(HOLES[name])[None]
        wanted = patch_swap(features, hole)
        with monkeypatch.context() as patched:
            patched.setattr(products, "_BLOCK", block)
            assert torch.equal(patch_swap(features, hole), wanted), name


def test_no_block_is_larger_than_asked_or_than_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    original = products._product

    def noted(keys: Tensor) -> Callable[[Tensor], Tensor]:
        product = original(keys)

        def one(cells: Tensor) -> Tensor:
            gram = product(cells)
            sizes.append(tuple(gram.shape))
            return gram

        return one

    monkeypatch.setattr(products, "_product", noted)
    monkeypatch.setattr(products, "_BLOCK", 1100)
    patch_swap(random_map(0)[None], hole_of(HOLES["centre"])[None])
    # 7 columns of queries, 8 x 9 cells of the map: two rows are 1008
    assert sizes == [(2, 7, 72), (2, 7, 72), (2, 7, 72), (1, 7, 72)]


@pytest.mark.parametrize("threads", [1, 2])
def test_both_ways_to_multiply_give_the_products(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    part, keys = whole_numbers(0)[0, :, :4, :5], whole_numbers(1)[0]
    wanted = torch.einsum("cab,chw->abhw", part, keys).flatten(2)
    assert torch.equal(products._product(keys)(part), wanted)


@pytest.mark.parametrize("name", HOLES)
def test_strips_around_the_hole_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    features, keys, hole = whole_numbers(1)[0], whole_numbers(2)[0], hole_of(HOLES[name])
    wanted = match(features, hole, keys)
    monkeypatch.setattr(module, "_LARGE", 0)
    for strip in (1, 2, 40):
        monkeypatch.setattr(module, "_STRIP", strip)
        found = match(features, hole, keys)
        assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))


@pytest.mark.parametrize("name", HOLES)
def test_strips_hold_each_candidate_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGE", 0)
    monkeypatch.setattr(module, "_STRIP", 2)
    valid = candidates(hole_of(HOLES[name]))
    held = torch.zeros_like(valid, dtype=torch.int64)
    for rows, columns in module._rectangles(valid):
        held[rows, columns] += 1
        assert rows.stop - rows.start <= 2
    assert (held[valid] == 1).all()
    assert (held <= 1).all()


def test_a_large_map_is_matched_around_its_hole() -> None:
    valid = torch.ones(80, 80, dtype=torch.bool)
    valid[30:50, 20:60] = False
    held = [
        (rows.start, rows.stop, columns.start, columns.stop)
        for rows, columns in module._rectangles(valid)
    ]
    assert held == [(0, 30, 0, 80), (30, 50, 0, 20), (30, 50, 60, 80), (50, 80, 0, 80)]


def test_half_precision_around_it_changes_nothing() -> None:
    features, hole = random_map(8, 32)[None], hole_of(HOLES["centre"])[None]
    wanted = match(features[0], hole[0], features[0])
    with torch.autocast("cpu", torch.bfloat16):
        found = match(features[0], hole[0], features[0])
    assert torch.equal(found.similarity, wanted.similarity)
    assert torch.equal(found.candidate, wanted.candidate)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_the_result_has_the_type_of_the_values(dtype: torch.dtype) -> None:
    features, hole = whole_numbers(3), hole_of(HOLES["centre"])[None]
    wanted = patch_swap(features, hole)
    found = patch_swap(features, hole, values=features.to(dtype))
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), wanted, atol=0.05, rtol=0.02)  # bf16: 8 bits


def test_a_gradient_reaches_what_is_copied_and_not_what_asks() -> None:
    features, hole = random_map(0)[None].requires_grad_(), hole_of(HOLES["centre"])[None]
    values = random_map(1)[None].requires_grad_()
    patch_swap(features, hole, values=values).sum().backward()
    assert features.grad is None
    assert not match(features[0], hole[0], features[0]).similarity.requires_grad
    assert values.grad is not None
    # every cell of the hole hands its gradient, 1 in all, to what it was copied from
    assert values.grad.sum() == pytest.approx(values.numel())
    assert (values.grad[hole.expand_as(values)] == 0).all()


@pytest.mark.parametrize("name", ["centre", "corner", "ragged"])
def test_a_weight_decides_how_much_each_copy_counts(name: str) -> None:
    features, hole = random_map(9), hole_of(HOLES[name])
    found = match(features, hole, features)
    weight = torch.rand(len(found.query), generator=torch.Generator().manual_seed(0)) + 0.1
    torch.testing.assert_close(
        paste(features, hole, found, weight).double(),
        swap_by_definition(features, hole, weight=weight),
    )
    assert torch.equal(
        paste(features, hole, found, torch.full_like(weight, 0.5)),
        paste(features, hole, found),
    )


def test_a_copy_is_pasted_at_its_place_by_hand() -> None:
    """One row of three columns either side of the hole: every patch may be named."""
    values = torch.arange(7.0).expand(1, 3, 7).contiguous()
    hole = torch.zeros(1, 3, 7, dtype=torch.bool)
    hole[0, 1, 3] = True
    query = torch.tensor([[0, 1], [0, 2], [0, 3]])
    candidate = torch.tensor([[0, 0], [0, 0], [0, 4]])
    found = paste(values, hole, Match(query, candidate, torch.ones(3)))
    # cell 3 is the third of patch 1 (takes 2), the second of patch 2 (1), the first of 3 (4)
    assert found[0, 1].tolist() == pytest.approx([0, 1, 2, (2 + 1 + 4) / 3, 4, 5, 6])


def test_queries_touch_the_hole_and_candidates_do_not() -> None:
    for picture in HOLES.values():
        hole = hole_of(picture)
        asks = hole[0].unfold(0, 3, 1).unfold(1, 3, 1).flatten(2).any(dim=2)
        assert torch.equal(touching(hole), asks)
        assert torch.equal(candidates(hole), ~asks)
        found = match(random_map(0), hole, random_map(0))
        assert torch.equal(found.query, asks.nonzero())
        assert (~asks)[found.candidate[:, 0], found.candidate[:, 1]].all()


def test_the_norm_of_a_patch_is_that_of_its_numbers() -> None:
    features = random_map(0)
    wanted = features.unfold(1, 3, 1).unfold(2, 3, 1).permute(1, 2, 0, 3, 4).flatten(2).norm(dim=2)
    torch.testing.assert_close(patch_norms(features), wanted)


@pytest.mark.parametrize(("side", "first", "inner"), [(128, 9, 14), (256, 18, 28), (512, 36, 56)])
def test_the_hole_of_the_paper_on_its_feature_map(side: int, first: int, inner: int) -> None:
    hole = torch.zeros(2, 1, side, side, dtype=torch.bool)
    margin = side * 9 // 32
    hole[0, :, margin:-margin, margin:-margin] = True
    hole[1, 0, -1, 0] = True  # one pixel is enough for its cell
    cells = feature_hole(hole, side // 4)
    assert cells.dtype == torch.bool
    wanted = torch.zeros(2, 1, side // 4, side // 4, dtype=torch.bool)
    wanted[0, :, first : first + inner, first : first + inner] = True
    wanted[1, 0, -1, 0] = True
    assert torch.equal(cells, wanted)


@pytest.mark.parametrize(
    ("features", "hole", "more", "words"),
    [
        ((1, 2, 8, 9), (1, 1, 8, 8), {}, r"hole is torch.bool \(1, 1, 8, 8\), want bool \(1, 1"),
        ((2, 2, 8, 9), (1, 1, 8, 9), {}, r"want bool \(2, 1, 8, 9\)"),
        ((1, 2, 8, 9), (1, 1, 8, 9), {"keys": (1, 3, 8, 9)}, r"keys are \(1, 3, 8, 9\), want"),
        ((1, 2, 8, 9), (1, 1, 8, 9), {"values": (1, 2, 9, 8)}, r"want maps of 8x9"),
        ((1, 2, 8, 9), (1, 1, 8, 9), {"values": (2, 2, 8, 9)}, r"values are \(2, 2, 8, 9\)"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    features: tuple[int, ...],
    hole: tuple[int, ...],
    more: dict[str, tuple[int, ...]],
    words: str,
) -> None:
    others = {name: torch.zeros(shape) for name, shape in more.items()}
    with pytest.raises(ValueError, match=words):
        patch_swap(torch.zeros(features), torch.zeros(hole, dtype=torch.bool), **others)


def test_a_hole_that_is_not_bool_is_refused() -> None:
    with pytest.raises(ValueError, match=r"hole is torch\.float32"):
        patch_swap(torch.zeros(1, 2, 8, 9), torch.zeros(1, 1, 8, 9))


def real_features(side: int) -> Tensor:
    """VGG-19 relu3_1 of a photograph whose hole is blurred, as a guess is."""
    data = pytest.importorskip("skimage.data")
    network = VGG19("relu3_1")
    if SHARED_VGG.exists():
        load_into(network, SHARED_VGG)
    else:
        initialise(network, torch.Generator().manual_seed(0))
    photo = Image.fromarray(data.astronaut()).resize((side, side))
    image = torch.from_numpy(np.asarray(photo).copy()).permute(2, 0, 1)[None] / 255
    blurred = F.avg_pool2d(F.pad(image, (4, 4, 4, 4), mode="reflect"), 9, stride=1)
    margin = side * 9 // 32
    image[..., margin:-margin, margin:-margin] = blurred[..., margin:-margin, margin:-margin]
    with torch.no_grad():
        return network(image)[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("cells", "asked"),
    [(32, 256), (64, 64), pytest.param(128, 256, marks=pytest.mark.slow)],
)
def test_the_match_is_as_good_as_in_float64_on_real_features(cells: int, asked: int) -> None:
    """By cosine, not by index: flat regions tie at 1e-9."""
    features = real_features(cells * 4)
    assert features.shape == (256, cells, cells)
    hole = torch.zeros(1, cells, cells, dtype=torch.bool)
    first = cells * 9 // 32
    hole[0, first:-first, first:-first] = True
    found = match(features, hole, features)
    exact = features.double()
    norms = patch_norms64(exact)
    valid = candidates(hole)
    places = torch.linspace(0, len(found.query) - 1, min(asked, len(found.query))).long()
    for part in places.split(64):
        rows, columns = found.query[part].T
        patches = exact.unfold(1, 3, 1).unfold(2, 3, 1)[:, rows, columns].transpose(0, 1)
        scores = F.conv2d(exact[None], patches)[0] / norms / norms[rows, columns][:, None, None]
        best = scores.masked_fill(~valid, -2).flatten(1).amax(dim=1)
        chosen = found.candidate[part]
        mine = scores[torch.arange(len(part)), chosen[:, 0], chosen[:, 1]]
        assert float((best - mine).max()) <= 1e-5
        torch.testing.assert_close(found.similarity[part].double(), mine, atol=1e-5, rtol=0)


def patch_norms64(features: Tensor) -> Tensor:
    squares = features.square().sum(dim=0)
    return squares.unfold(0, 3, 1).unfold(1, 3, 1).sum(dim=(2, 3)).sqrt()


def test_patches_of_another_map_are_matched_as_loops_match_them() -> None:
    rng = torch.Generator().manual_seed(5)
    features = torch.rand(4, 5, 6, generator=rng)
    keys = torch.rand(4, 7, 4, generator=rng)
    found = match_between(features, keys)
    assert found.query.tolist() == [[y, x] for y in range(3) for x in range(4)]
    for (y, x), (row, column), similarity in zip(*(part.tolist() for part in found), strict=True):
        query = features[:, y : y + 3, x : x + 3].flatten()
        cosines = {
            (i, j): float(F.cosine_similarity(query, keys[:, i : i + 3, j : j + 3].flatten(), 0))
            for i in range(5)
            for j in range(2)
        }
        assert cosines[row, column] == pytest.approx(max(cosines.values()), abs=1e-6)
        assert similarity == pytest.approx(max(cosines.values()), abs=1e-6)


def test_a_map_built_of_another_is_the_mean_of_its_copies() -> None:
    rng = torch.Generator().manual_seed(6)
    values = torch.rand(2, 6, 5, generator=rng)
    candidate = torch.stack(
        [torch.randint(0, 4, (3, 2), generator=rng), torch.randint(0, 3, (3, 2), generator=rng)],
        dim=-1,
    )
    total, count = torch.zeros(2, 5, 4), torch.zeros(5, 4)
    for y in range(3):
        for x in range(2):
            row, column = candidate[y, x].tolist()
            total[:, y : y + 3, x : x + 3] += values[:, row : row + 3, column : column + 3]
            count[y : y + 3, x : x + 3] += 1
    assert torch.allclose(paste_between(values, candidate), total / count, atol=1e-6)
