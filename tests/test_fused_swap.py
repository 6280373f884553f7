import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module, reload
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from swapfill import fused_swap
from swapfill.errors import NoKnownPatchError
from swapfill.fused_swap import (
    find_places,
    is_fused,
    multiplied,
    paste_maps,
    split_products,
    swap_maps,
)
from swapfill.patch_swap import Match, match, patch_swap
from test_patch_swap import HOLES, hole_of, random_map, whole_numbers

needs_triton = pytest.mark.skipif(
    find_spec("triton") is None, reason="triton is not installed, want: pip install triton (1 GB)"
)


@pytest.fixture
def interpreted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Triton's interpreter runs the kernel on the CPU: it is asked for when the kernel is made."""
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    reload(import_module("swapfill.swap_kernel"))
    yield
    monkeypatch.undo()
    reload(import_module("swapfill.swap_kernel"))


def places_of(found: Match, size: tuple[int, int]) -> Tensor:
    """Write matches as `find_places` does, on a map of `size`."""
    places = torch.full((size[0] - 2, size[1] - 2), -1, dtype=torch.int32)
    cells = found.candidate[:, 0] * size[1] + found.candidate[:, 1]
    places[found.query[:, 0], found.query[:, 1]] = cells.int()
    return places


def cosines(features: Tensor, places: Tensor) -> Tensor:
    """Give the cosine of each query with what it takes, in double: [N]."""
    patches = F.normalize(F.unfold(features.double()[None], 3)[0], dim=0)
    width = features.shape[2]
    queries = (places.flatten() >= 0).nonzero()[:, 0]
    taken = places.flatten()[queries].long()
    return (patches[:, queries] * patches[:, taken - taken // width * 2]).sum(dim=0)


def lifelike(seed: int, size: tuple[int, int]) -> Tensor:
    """Smooth features of at least 0, as an encoder's are: candidates that differ by little."""
    rough = torch.rand(24, *size, generator=torch.Generator().manual_seed(seed))
    return F.avg_pool2d(rough[None], 3, stride=1, padding=1)[0] * 9


@needs_triton
@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("name", ["ragged", "top border", "far corner", "3x3 left"])
def test_takes_what_patch_swap_takes_for_a_hole_of_any_shape(name: str) -> None:
    features, hole = random_map(3), hole_of(HOLES[name])
    [places] = find_places(features[None], hole[None])
    assert torch.equal(places, places_of(match(features, hole, features), (8, 9)))


@needs_triton
@pytest.mark.usefixtures("interpreted")
def test_of_equals_the_first_is_taken() -> None:
    features, hole = whole_numbers(5, size=(20, 37))[0], torch.zeros(1, 20, 37, dtype=torch.bool)
    features[:, :, 9:] = features[:, :, :28].clone()  # in more than one block of candidates
    hole[:, 8:12, 12:15] = True
    features[:, 10:] = features[:, :10].clone()
    [places] = find_places(features[None], hole[None])
    assert torch.equal(places, places_of(match(features, hole, features), (20, 37)))


@needs_triton
@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize(("size", "seed"), [((23, 25), 0), ((9, 35), 1)])
def test_the_cosine_gap_is_at_most_1e_4(size: tuple[int, int], seed: int) -> None:
    features, hole = lifelike(seed, size), torch.zeros(1, *size, dtype=torch.bool)
    hole[:, 3:6, 2:4] = True
    hole[:, 5, 4] = True
    [places] = find_places(features[None], hole[None])
    best = cosines(features, places_of(match(features, hole, features), size))
    assert (best - cosines(features, places)).abs().max() <= 1e-4


@needs_triton
@pytest.mark.usefixtures("interpreted")
def test_each_map_of_a_batch_is_swapped_as_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["centre", "tip"]
    features = torch.stack([random_map(seed) for seed in range(3)])
    features = features.contiguous(memory_format=torch.channels_last)
    values = torch.stack([random_map(seed, channels=6) for seed in range(3)])
    empty = torch.zeros(1, 8, 9, dtype=torch.bool)
    hole = torch.stack([*(hole_of(HOLES[name]) for name in names), empty])
    monkeypatch.setattr(fused_swap, "_BLOCK", 2000)  # a few rows of queries at a time
    monkeypatch.setattr(fused_swap, "is_fused", lambda device: True)
    found = swap_maps(features, hole, values)
    torch.testing.assert_close(found, patch_swap(features, hole, values=values))
    assert torch.equal(found[:, :, ~hole.any(0)[0]], values[:, :, ~hole.any(0)[0]])


@needs_triton
@pytest.mark.usefixtures("interpreted")
def test_a_hole_that_leaves_no_candidate_is_refused() -> None:
    features = torch.stack([random_map(0), random_map(1)])
    hole = torch.stack([hole_of(HOLES["centre"]), torch.ones(1, 8, 9, dtype=torch.bool)])
    with pytest.raises(NoKnownPatchError, match="8x9 features"):
        find_places(features, hole)


@needs_triton
@pytest.mark.usefixtures("interpreted")
def test_cells_of_no_length_take_the_first_candidate() -> None:
    features, hole = torch.zeros(4, 8, 9), hole_of(HOLES["centre"])
    [places] = find_places(features[None], hole[None])
    assert places.max() == 0


COMPILE = """
from triton import compile
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from swapfill.swap_kernel import OFFERED, QUERIES, kernel

*given, queries, offered = kernel.arg_names
kinds = dict.fromkeys(given, "i32") | {"products": "*fp32", "squares": "*fp32", "places": "*i32"}
kinds |= {queries: "constexpr", offered: "constexpr"}
source = ASTSource(kernel, kinds, constexprs={queries: QUERIES, offered: OFFERED})
made = compile(source, GPUTarget("cuda", 90, 32), options={"enable_fp_fusion": True})
print(len(made.asm["cubin"]))
"""


@needs_triton
@pytest.mark.slow
def test_the_kernel_compiles_for_a_card(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", COMPILE]
    environment = os.environ | {"TRITON_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0


def test_pasting_is_that_of_patch_swap() -> None:
    features, hole = random_map(1), hole_of(HOLES["ragged"])
    places = places_of(match(features, hole, features), (8, 9))
    found = paste_maps(features[None], hole[None], places[None])
    torch.testing.assert_close(found, patch_swap(features[None], hole[None]))


def test_three_products_of_halves_are_as_good_as_stated() -> None:
    cells = lifelike(7, (30, 30)).flatten(1).T * torch.logspace(-6, 6, 24)
    exact = cells.double() @ cells.double().T
    lengths = cells.double().norm(dim=1)
    scale = torch.outer(lengths, lengths)
    gap = (multiplied(*split_products(cells)).double() - exact).abs() / scale
    assert gap.max() < 3 * 2**-16
    alone = multiplied(cells.bfloat16(), cells.bfloat16()).double() - exact
    assert (alone.abs() / scale).max() > 1e-3


def test_on_a_cpu_it_is_patch_swap_bit_for_bit() -> None:
    features, hole = random_map(1)[None], hole_of(HOLES["ragged"])[None]
    assert not is_fused(features.device)
    found = swap_maps(features, hole, features)
    assert torch.equal(found, patch_swap(features, hole))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_on_a_card_the_cosine_gap_is_at_most_1e_4() -> None:
    features, hole = lifelike(3, (64, 64)), torch.zeros(1, 64, 64, dtype=torch.bool)
    hole[:, 18:46, 18:46] = True
    assert is_fused(torch.device("cuda"))
    [places] = find_places(features[None].cuda(), hole[None].cuda()).cpu()
    best = cosines(features, places_of(match(features, hole, features), (64, 64)))
    assert (best - cosines(features, places)).abs().max() <= 1e-4
