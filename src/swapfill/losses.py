"""Numbers to learn from: equations 2 to 6, without their weights.

Every function states its reduction: an image loss is a *mean*, the paper's feature loss a *sum*
over the hole (`reading.md` 3: with a mean, a weight of 0.001 does nothing).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def weighted_l1_mean(found: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute difference under `weight` (eq. 2); 0 where the weight is all 0.

    `weight` is any shape that broadcasts to `found`.
    """
    weight = weight.to(found).expand_as(found)
    return (weight * (found - wanted).abs()).sum() / weight.sum().clamp(min=1e-8)


def weighted_l2_mean(found: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Mean squared difference under `weight` (Context Encoder's image loss); as the above."""
    weight = weight.to(found).expand_as(found)
    return (weight * (found - wanted).square()).sum() / weight.sum().clamp(min=1e-8)


IMAGE = {"l1": weighted_l1_mean, "l2": weighted_l2_mean}


def weighted_l1_sum(found: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Absolute difference under `weight`, summed over each map, averaged over the batch (eq. 3)."""
    return (weight.to(found) * (found - wanted).abs()).sum() / found.shape[0]


def ring_weight(hole: Tensor, ring: int, ring_weight: float) -> Tensor:
    """Weigh the hole by 1 and the overlap ring by `ring_weight`; 0 elsewhere (M of eq. 2).

    The ring is `ring` pixels wide: the known pixels next to the hole, which the network predicts
    too and whose values it can see, so that the composite is coherent.

    Args:
        hole: [B, 1, H, W], bool.
        ring: width in pixels; 0 for none.
        ring_weight: 10 in Context Encoder's code; the paper gives no number.
    """
    inside = hole.float()
    if ring == 0:
        return inside
    grown = F.max_pool2d(inside, 2 * ring + 1, stride=1, padding=ring)
    return inside + ring_weight * (grown - inside)


def adversarial_for_generator(fake: Tensor, weight: Tensor | None = None) -> Tensor:
    """Non-saturating GAN loss of the generator (Goodfellow et al., 2014, section 3).

    `fake` are logits; `weight`, of their shape, restricts the mean to some patches.
    """
    return _mean(F.softplus(-fake), weight)  # -log(sigmoid(x)), safe for large x


def adversarial_for_discriminator(
    real: Tensor, fake: Tensor, weight: Tensor | None = None
) -> Tensor:
    """GAN loss of the discriminator (eq. 4), halved as in pix2pix: it learns at half the pace."""
    return 0.5 * (_mean(F.softplus(-real), weight) + _mean(F.softplus(fake), weight))


def hinge_for_generator(fake: Tensor, weight: Tensor | None = None) -> Tensor:
    """Hinge GAN loss of the generator: -E[D(fake)]."""
    return -_mean(fake, weight)


def hinge_for_discriminator(real: Tensor, fake: Tensor, weight: Tensor | None = None) -> Tensor:
    """Hinge GAN loss of the discriminator, halved."""
    return 0.5 * (_mean(F.relu(1 - real), weight) + _mean(F.relu(1 + fake), weight))


FOR_GENERATOR = {"bce": adversarial_for_generator, "hinge": hinge_for_generator}
FOR_DISCRIMINATOR = {"bce": adversarial_for_discriminator, "hinge": hinge_for_discriminator}


def gradient_penalty(
    judge: Callable[[Tensor, Tensor], Tensor], given: Tensor, real: Tensor
) -> Tensor:
    """R1: half the squared gradient of a discriminator at real pictures (Mescheder et al., 2018).

    A discriminator that is flat at the truth has nothing to teach there: the generator comes to
    rest. Computed in fp32 whatever autocast says: bf16 loses a gradient's gradient. A picture's
    logits are summed, and the square is divided by their number: for one logit that is R1; for a
    map of them it keeps its size as the picture grows.

    Args:
        judge: from `given` and a picture to logits, [B, 1, h, w].
        given: what the discriminator sees beside the picture; nothing is derived by it.
        real: [B, 3, H, W] in [0, 1]. (Where others have [-1, 1], a weight of theirs is 1/4 here.)

    Returns:
        The mean over the batch, before weighting; its gradient reaches the weights of `judge`.
    """
    with torch.autocast(real.device.type, enabled=False), torch.enable_grad():
        real = real.detach().requires_grad_(True)
        logits = judge(given.detach(), real)
        (slope,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
        return 0.5 * slope.square().sum() / logits.numel()


def distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """Relative squared error plus 1 - cosine per cell: patch-swap compares directions.

    Both are features [B, C, h, w]; means over cells and batch.
    """
    squared = (student - teacher).square().mean() / teacher.square().mean().clamp(min=1e-8)
    return squared + (1 - F.cosine_similarity(student, teacher, dim=1)).mean()


def expected_direction(found: Tensor, features: Tensor, hole: Tensor) -> Tensor:
    """Squared distance of a prediction to the unit feature vectors of the truth, over the hole.

    Its minimum is the *expectation* of the unit vector, the query that patch-swap wants: of all
    candidates, the one of largest inner product with it has the largest expected cosine. (Features
    of a blurry guess are not that: they resemble blurry places.) Differs from the paper, whose
    eq. 3 compares features of the guess.

    Args:
        found: the prediction, [B, C, h, w].
        features: of the truth, of the same shape.
        hole: [B, 1, h, w], bool.

    Returns:
        The mean over the hole's cells, in [0, 1] for a prediction better than none.
    """
    gap = (found - F.normalize(features, dim=1)).square().sum(dim=1, keepdim=True)
    return (gap * hole).sum() / hole.sum().clamp(min=1)


def _mean(x: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return x.mean()
    return (x * weight).sum() / weight.sum().clamp(min=1e-8)


def feature_distance(found: dict[str, Tensor], wanted: dict[str, Tensor], hole: Tensor) -> Tensor:
    """Squared distance of unit-normalised features over the hole, averaged over the layers.

    The figure that `evaluate` calls VGG distance, as a loss. Maps are [B, C, h, w] by layer name;
    `hole` is [B, 1, H, W], weighed by the share of each cell that it covers.
    """
    total = torch.zeros((), device=hole.device)
    for name, a in found.items():
        cover = F.adaptive_avg_pool2d(hole.float(), (a.shape[2], a.shape[3]))
        gap = (F.normalize(a.float(), dim=1) - F.normalize(wanted[name].float(), dim=1)).square()
        total = total + (gap.sum(1, keepdim=True) * cover).sum() / cover.sum().clamp(min=1e-8)
    return total / len(found)
