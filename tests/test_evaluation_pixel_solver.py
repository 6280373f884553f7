import torch
from torch import Tensor

from swapfill.evaluation.pixel_solver import solve, variation


def test_it_finds_the_least_of_a_quadric_within_the_range() -> None:
    goal = torch.tensor([0.2, 0.9, 1.7, -0.4])
    weight = torch.tensor([1.0, 30.0, 5.0, 0.2])
    start = torch.full((4,), 0.5)
    found = solve(start, lambda x: (weight * (x - goal).square()).mean(), iterations=30, history=5)
    torch.testing.assert_close(found, goal.clamp(0, 1), atol=1e-3, rtol=0)
    assert torch.equal(start, torch.full((4,), 0.5))
    assert not found.requires_grad


def test_no_tolerance_ends_it_early() -> None:
    asked = list[int]()

    def flat(x: Tensor) -> Tensor:
        asked.append(1)
        return 1e-9 * (x - 0.3).square().square().mean()  # gradients of 1e-10

    solve(
        torch.rand(50, generator=torch.Generator().manual_seed(0)), flat, iterations=12, history=3
    )
    assert len(asked) >= 12


def test_pixels_may_lie_in_memory_as_a_file_has_them() -> None:
    start = torch.rand(5, 4, 3).permute(2, 0, 1)[None]
    found = solve(start, lambda x: (x - 0.3).square().mean(), iterations=3, history=2)
    torch.testing.assert_close(found, torch.full((1, 3, 5, 4), 0.3))


def test_no_iterations_give_the_start_back() -> None:
    start = torch.rand(3, 4)
    assert torch.equal(solve(start, lambda x: x.sum(), iterations=0, history=1), start)


def test_variation_is_of_neighbours_in_the_hole() -> None:
    image, hole = torch.rand(1, 2, 5, 6), torch.zeros(1, 1, 5, 6, dtype=torch.bool)
    hole[..., 2:4, 1:3] = True
    gaps = []
    for y in range(5):
        for x in range(6):
            for v, u in ((y + 1, x), (y, x + 1)):
                if v < 5 and u < 6 and (hole[0, 0, y, x] or hole[0, 0, v, u]):
                    gaps.append((image[0, :, y, x] - image[0, :, v, u]).square().mean())
    torch.testing.assert_close(variation(image, hole), torch.stack(gaps).mean())
