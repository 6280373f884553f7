"""Train Image2Feature, or what stands in for it: equations 1 to 4, and the feature head."""

from typing import Any

import torch
from torch import Tensor

from swapfill import losses
from swapfill.architectures import Guesser
from swapfill.context_encoder import CentreDiscriminator
from swapfill.encoder import VGG19, CompactEncoder
from swapfill.networks import Image2Feature, ImagePairDiscriminator, place_centre
from swapfill.patch_swap import feature_hole
from swapfill.training.balance import Balance
from swapfill.training.data import Batch
from swapfill.training.loop import Stage
from swapfill.training.settings import LossSettings, OptimSettings
from swapfill.training.team import Team


class Image2FeatureStage(Stage):
    """G_1 against D_1; the encoder is frozen, and left out where no features are compared."""

    name = "image2feature"

    def __init__(
        self,
        network: Guesser,
        encoder: VGG19 | CompactEncoder | None,
        judge: ImagePairDiscriminator | CentreDiscriminator | None,
        optim: OptimSettings,
        weights: LossSettings,
    ) -> None:
        super().__init__(network, optim)
        self.encoder, self.weights, self.balance = encoder, weights, Balance(weights)
        if isinstance(network, Image2Feature) and network.head is not None and not weights.head:
            network.head.requires_grad_(False)  # else processes wait for its gradients
        self.judged_whole = isinstance(judge, CentreDiscriminator)
        if judge is not None and weights.adversarial:
            self.set_judge(judge)

    def join(self, team: Team) -> None:
        """Let `team` call the networks that learn, and measure with it."""
        super().join(team)
        self.balance.team = team

    def learn(self, batch: Batch) -> dict[str, Tensor]:
        """Do one step of the generator and, with an adversarial weight, one of D_1."""
        truth, hole = batch.truth, batch.hole
        incomplete = torch.where(hole, 0.0, truth)
        half = self.optim.precision == "bf16"
        with torch.autocast(truth.device.type, torch.bfloat16, enabled=half):
            guess = self.network(incomplete, hole)
            image = place_centre(guess.image.float(), truth)
            terms = self._terms(truth, hole, image, guess.features)
            if self.judge is not None:
                # Context Encoder's judge sees the ring as it was predicted, not as it is known.
                shown = image if self.judged_whole else torch.where(hole, image, truth)
                fooled = losses.FOR_GENERATOR[self.weights.kind]
                terms["adversarial"] = fooled(self.judge(incomplete, shown).float())
        total = self.balance.total(terms, self.step)
        self.descend(total)
        if self.judge is not None:
            terms |= self._judge_half(incomplete, truth, shown.detach(), half)
        return {name: term.detach() for name, term in terms.items()}

    @torch.no_grad()
    def fill(self, batch: Batch) -> Tensor:
        """Give the guess."""
        incomplete = torch.where(batch.hole, 0.0, batch.truth)
        return place_centre(self.result(incomplete, batch.hole).image.float(), batch.truth)

    def _terms(
        self, truth: Tensor, hole: Tensor, image: Tensor, features: Tensor | None
    ) -> dict[str, Tensor]:
        weights = self.weights
        weight = losses.ring_weight(hole, weights.ring, weights.ring_weight)
        terms = {"image": losses.IMAGE[weights.distance](image, truth, weight)}
        if self.encoder is None or not (weights.feature or weights.head):
            return terms
        with torch.no_grad():
            wanted = self.encoder(truth).float()
        cells = feature_hole(hole, wanted.shape[2])
        if weights.feature:
            found = self.encoder(torch.where(hole, image, truth)).float()
            stride = truth.shape[2] // wanted.shape[2]  # 4; 2 and 8 for relu2_1 and relu4_1
            ring = losses.ring_weight(cells, weights.ring // stride, weights.ring_weight)
            terms["feature"] = losses.weighted_l1_sum(found, wanted, ring)
        if features is not None and weights.head:
            terms["head"] = losses.expected_direction(features.float(), wanted, cells)
        return terms

    def _judge_half(
        self, incomplete: Tensor, truth: Tensor, fake: Tensor, half: bool
    ) -> dict[str, Tensor]:
        assert self.judge is not None
        with torch.autocast(truth.device.type, torch.bfloat16, enabled=half):
            real_logits, fake_logits = self.judge(incomplete, truth), self.judge(incomplete, fake)
        judged = losses.FOR_DISCRIMINATOR[self.weights.kind]
        loss = judged(real_logits.float(), fake_logits.float())
        terms, weight = {"discriminator": loss}, self.weights.penalty_at(self.step)
        if weight:
            terms["penalty"] = losses.gradient_penalty(self.judge, incomplete, truth)
            loss = loss + weight * terms["penalty"]
        self.descend_judge(loss)
        return terms

    def _parts(self) -> dict[str, Any]:
        measured = {"balance": self.balance} if self.weights.ratio.asked else {}
        return super()._parts() | measured
