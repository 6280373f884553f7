import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from swapfill import losses


def at(*rows: list[float]) -> Tensor:
    """One map of one channel."""
    return torch.tensor([[list(rows)]])


def test_the_image_loss_is_the_weighted_mean_of_absolute_differences() -> None:
    found, wanted = at([0.0, 1.0], [0.5, 0.0]), at([1.0, 0.5], [0.5, 9.0])
    weight = at([1.0, 10.0], [4.0, 0.0])
    # (1 * 1 + 10 * 0.5 + 4 * 0 + 0 * 9) / (1 + 10 + 4)
    assert float(losses.weighted_l1_mean(found, wanted, weight)) == pytest.approx(6 / 15)


def test_the_image_loss_counts_every_channel_under_one_weight() -> None:
    found, wanted = torch.zeros(2, 3, 1, 2), torch.zeros(2, 3, 1, 2)
    wanted[0, :, 0, 0] = torch.tensor([0.3, 0.6, 0.9])
    weight = torch.zeros(2, 1, 1, 2)
    weight[:, :, 0, 0] = 2.0
    # six weighted numbers, three of them off by 0.3, 0.6 and 0.9; the weight's scale cancels
    assert float(losses.weighted_l1_mean(found, wanted, weight)) == pytest.approx(1.8 / 6)


def test_the_image_loss_of_no_weight_is_0() -> None:
    loss = losses.weighted_l1_mean(torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2), at([0.0]))
    assert float(loss) == 0


def test_the_feature_loss_is_summed_over_the_map_and_averaged_over_the_batch() -> None:
    found, wanted = torch.zeros(2, 2, 1, 2), torch.zeros(2, 2, 1, 2)
    wanted[0, 0, 0] = torch.tensor([1.0, -2.0])
    wanted[0, 1, 0] = torch.tensor([0.5, 0.0])
    wanted[1, 0, 0] = torch.tensor([4.0, 5.0])
    weight = torch.tensor([[[[1.0, 10.0]]], [[[1.0, 0.0]]]])
    # first map 1 + 20 + 0.5, second 4
    assert float(losses.weighted_l1_sum(found, wanted, weight)) == pytest.approx((21.5 + 4) / 2)


def test_the_squared_image_loss_is_the_weighted_mean_of_squares() -> None:
    found, wanted = at([0.0, 1.0], [0.5, 0.0]), at([1.0, 0.5], [0.5, 9.0])
    weight = at([1.0, 10.0], [4.0, 0.0])
    # (1 * 1 + 10 * 0.25 + 4 * 0 + 0 * 81) / (1 + 10 + 4)
    assert float(losses.weighted_l2_mean(found, wanted, weight)) == pytest.approx(3.5 / 15)
    assert float(losses.weighted_l2_mean(found, wanted, at([0.0]))) == 0


def test_a_bool_weight_counts_as_one() -> None:
    found, hole = at([0.0, 0.0]), torch.tensor([[[[True, False]]]])
    assert float(losses.weighted_l1_mean(found, at([0.25, 1.0]), hole)) == 0.25
    assert float(losses.weighted_l1_sum(found, at([0.25, 1.0]), hole)) == 0.25


def test_the_ring_is_the_known_pixels_within_its_width() -> None:
    hole = torch.zeros(1, 1, 7, 8, dtype=torch.bool)
    hole[0, 0, 3, 3:5] = True
    weight = losses.ring_weight(hole, 2, 10.0)
    wanted = torch.zeros(7, 8)
    wanted[1:6, 1:7] = 10
    wanted[3, 3:5] = 1
    assert torch.equal(weight[0, 0], wanted)


def test_the_rings_of_the_paper() -> None:
    """The half-size centre that the literal network predicts is the hole with its ring."""
    for side, ring in ((128, 4), (256, 8), (512, 16)):
        hole = torch.zeros(1, 1, side, side, dtype=torch.bool)
        margin = side * 9 // 32
        hole[..., margin:-margin, margin:-margin] = True
        weight = losses.ring_weight(hole, ring, 10.0)
        predicted = torch.zeros_like(hole)
        predicted[..., side // 4 : -side // 4, side // 4 : -side // 4] = True
        assert torch.equal(weight > 0, predicted)
        assert torch.equal(weight == 1, hole)


def test_the_ring_ends_at_the_border_and_a_ring_of_0_is_none() -> None:
    hole = torch.zeros(2, 1, 3, 4, dtype=torch.bool)
    hole[0, 0, 0, 0] = True
    weight = losses.ring_weight(hole, 1, 5.0)
    assert weight[0, 0].tolist() == [[1, 5, 0, 0], [5, 5, 0, 0], [0, 0, 0, 0]]
    assert (weight[1] == 0).all()
    assert torch.equal(losses.ring_weight(hole, 0, 5.0), hole.float())
    assert losses.ring_weight(hole, 1, 0.0)[0, 0].tolist() == hole[0, 0].tolist()


def test_a_ring_between_two_holes_is_counted_once() -> None:
    hole = torch.tensor([[[[True, False, True]]]])
    assert losses.ring_weight(hole, 1, 10.0).tolist() == [[[[1, 10, 1]]]]


def test_adversarial_losses_by_hand() -> None:
    real, fake = torch.tensor([0.0, math.log(3)]), torch.tensor([0.0, -math.log(3)])
    # sigmoid(0) = 1/2, sigmoid(log 3) = 3/4, sigmoid(-log 3) = 1/4
    generator = -(math.log(1 / 2) + math.log(1 / 4)) / 2
    assert float(losses.adversarial_for_generator(fake)) == pytest.approx(generator)
    of_real = -(math.log(1 / 2) + math.log(3 / 4)) / 2
    of_fake = -(math.log(1 / 2) + math.log(3 / 4)) / 2
    halved = 0.5 * (of_real + of_fake)
    assert float(losses.adversarial_for_discriminator(real, fake)) == pytest.approx(halved)
    torch.testing.assert_close(
        losses.adversarial_for_generator(fake),
        F.binary_cross_entropy_with_logits(fake, torch.ones(2)),
    )


def test_adversarial_losses_do_not_overflow_and_keep_their_gradient() -> None:
    sure = torch.tensor([-1000.0], requires_grad=True)
    loss = losses.adversarial_for_generator(sure)
    assert loss.item() == 1000
    loss.backward()
    assert sure.grad is not None
    assert sure.grad.item() == -1  # non-saturating: a sure discriminator still teaches


def test_hinge_losses_by_hand() -> None:
    real, fake = torch.tensor([0.0, 2.0, -1.0]), torch.tensor([-3.0, 0.5, -1.0])
    # real: 1, 0, 2; fake: 0, 1.5, 0
    wanted = 0.5 * (3 / 3 + 1.5 / 3)
    assert float(losses.hinge_for_discriminator(real, fake)) == pytest.approx(wanted)
    assert float(losses.hinge_for_generator(fake)) == pytest.approx(3.5 / 3)


@pytest.mark.parametrize("kind", ["adversarial", "hinge"])
def test_a_weight_restricts_an_adversarial_loss_to_some_patches(kind: str) -> None:
    for_generator = getattr(losses, f"{kind}_for_generator")
    for_discriminator = getattr(losses, f"{kind}_for_discriminator")
    real, fake = torch.tensor([0.3, -2.0, 5.0]), torch.tensor([1.0, -0.4, 7.0])
    weight = torch.tensor([1.0, 1.0, 0.0])
    torch.testing.assert_close(for_generator(fake, weight), for_generator(fake[:2]))
    torch.testing.assert_close(
        for_discriminator(real, fake, weight), for_discriminator(real[:2], fake[:2])
    )
    doubled = torch.tensor([2.0, 1.0, 0.0])
    torch.testing.assert_close(
        for_generator(fake, doubled), for_generator(torch.tensor([1.0, 1.0, -0.4]))
    )


def linear_judge(weight: Tensor, stride: int) -> Callable[[Tensor, Tensor], Tensor]:
    """Logits are inner products of the patches with `weight`, and of the patches with `given`."""
    return lambda given, image: F.conv2d(image * given, weight, stride=stride)


def test_the_gradient_penalty_of_one_logit_is_half_its_squared_gradient() -> None:
    weight = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    given = torch.tensor([1.0, 3.0])[:, None, None, None]  # per picture: gradient times 1 and 3
    found = losses.gradient_penalty(linear_judge(weight, 4), given, torch.rand(2, 3, 4, 4))
    torch.testing.assert_close(found, 0.5 * weight.square().sum() * (1 + 9) / 2)


def test_the_gradient_penalty_of_patches_does_not_grow_with_the_picture() -> None:
    weight = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    judge, one = linear_judge(weight, 4), torch.ones(1, 1, 1, 1)
    few = losses.gradient_penalty(judge, one, torch.rand(2, 3, 4, 4))
    torch.testing.assert_close(losses.gradient_penalty(judge, one, torch.rand(3, 3, 16, 8)), few)


def test_the_gradient_penalty_teaches_the_weights_and_nothing_else() -> None:
    weight = torch.ones(1, 3, 2, 2, requires_grad=True)
    given = torch.ones(1, 1, 1, 1, requires_grad=True)
    real = torch.rand(2, 3, 2, 2, requires_grad=True)
    with torch.no_grad():  # it makes the graph it needs
        penalty = losses.gradient_penalty(linear_judge(weight, 2), given, real)
    penalty.backward()
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, torch.ones_like(weight))  # of half a sum of squares
    assert given.grad is None
    assert real.grad is None


def test_the_gradient_penalty_is_fp32_under_autocast() -> None:
    weight = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    judge, one, real = linear_judge(weight, 4), torch.ones(1, 1, 1, 1), torch.rand(2, 3, 4, 4)
    whole = losses.gradient_penalty(judge, one, real)
    with torch.autocast("cpu", torch.bfloat16):
        half = losses.gradient_penalty(judge, one, real)
    assert torch.equal(half, whole)


def test_distillation_by_hand() -> None:
    teacher = torch.zeros(1, 2, 1, 2)
    teacher[0, :, 0, 0] = torch.tensor([3.0, 4.0])
    teacher[0, :, 0, 1] = torch.tensor([1.0, 0.0])
    student = torch.zeros(1, 2, 1, 2)
    student[0, :, 0, 0] = torch.tensor([6.0, 8.0])  # the same direction, twice as long
    student[0, :, 0, 1] = torch.tensor([0.0, 1.0])  # at a right angle
    squared = (9 + 16 + 1 + 1) / (9 + 16 + 1)
    angle = (0 + 1) / 2
    assert float(losses.distillation(student, teacher)) == pytest.approx(squared + angle)
    assert float(losses.distillation(teacher, teacher)) == pytest.approx(0, abs=1e-6)


def test_distillation_does_not_know_the_scale_of_the_features() -> None:
    student, teacher = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(
        losses.distillation(8 * student, 8 * teacher), losses.distillation(student, teacher)
    )


def test_expected_direction_by_hand() -> None:
    features, found = torch.zeros(2, 2, 1, 2), torch.zeros(2, 2, 1, 2)
    features[0, :, 0, 0] = torch.tensor([3.0, 4.0])  # unit: 0.6, 0.8
    found[0, :, 0, 0] = torch.tensor([0.6, 0.0])
    features[0, :, 0, 1] = torch.tensor([0.0, 5.0])
    found[0, :, 0, 1] = torch.tensor([1.0, 1.0])
    features[1, :, 0, 0] = torch.tensor([2.0, 0.0])
    found[1, :, 0, 0] = torch.tensor([9.0, 9.0])
    hole = torch.tensor([[[[True, True]]], [[[False, False]]]])
    # gaps 0.64 and 1, over two cells
    assert float(losses.expected_direction(found, features, hole)) == pytest.approx(1.64 / 2)
    nothing = torch.zeros_like(found)
    assert float(losses.expected_direction(nothing, features, hole)) == pytest.approx(1.0)
    assert float(losses.expected_direction(found, features, hole & False)) == 0


def test_the_mean_of_unit_vectors_is_what_expected_direction_asks_for() -> None:
    """Of two equally likely truths the best answer lies between, shorter than 1."""
    truths = torch.tensor([[2.0, 0.0], [0.0, 5.0]])[:, :, None, None]
    hole = torch.ones(2, 1, 1, 1, dtype=torch.bool)

    def loss(x: float, y: float) -> float:
        found = torch.tensor([[x, y]] * 2)[:, :, None, None]
        return float(losses.expected_direction(found, truths, hole))

    best = loss(0.5, 0.5)
    assert all(best < loss(*other) for other in [(0.7, 0.7), (0.5, 0.6), (0.4, 0.4), (1.0, 0.0)])


def test_the_feature_distance_by_hand() -> None:
    hole = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    hole[0, 0, :2, :3] = True  # covers cells of 2 pixels by 1, 1/2, 0, 0
    found, wanted = torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
    found[0, 0], wanted[0, 0] = 5.0, 2.0  # the same direction
    wanted[0, :, 0, 1] = torch.tensor([0.0, 7.0])  # a right angle: 2
    wanted[0, :, 1, 1] = torch.tensor([-1.0, 0.0])  # opposite: 4, not in the hole
    deep = torch.ones(1, 3, 1, 1)
    got = losses.feature_distance({"a": found, "b": deep}, {"a": wanted, "b": -deep}, hole)
    # a: (1 * 0 + 1/2 * 2) / 1.5; b: 4 whatever the cover
    assert float(got) == pytest.approx((1 / 1.5 + 4) / 2)


def test_the_feature_distance_over_no_hole_is_0() -> None:
    maps = {"a": torch.rand(1, 3, 2, 2)}, {"a": torch.rand(1, 3, 2, 2)}
    assert float(losses.feature_distance(*maps, torch.zeros(1, 1, 4, 4, dtype=torch.bool))) == 0
