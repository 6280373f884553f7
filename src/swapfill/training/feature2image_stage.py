"""Train Feature2Image: equations 5 and 6, on swapped features of the truth or of predictions."""

import torch
from torch import Tensor

from swapfill import losses
from swapfill.encoder import VGG19, CompactEncoder
from swapfill.matching import swap_coherently
from swapfill.networks import Feature2Image, FeatureImageDiscriminator, Image2Feature
from swapfill.patch_swap import feature_hole, patch_swap
from swapfill.training.data import Batch
from swapfill.training.loop import Stage
from swapfill.training.settings import LossSettings, OptimSettings, QuerySettings

JUDGED = ("relu1_2", "relu2_2", "relu3_1")  # layers of the perceptual loss


class Feature2ImageStage(Stage):
    """G_2 against D_2; the encoder, and Image2Feature if predictions are asked for, are frozen."""

    name = "feature2image"

    def __init__(
        self,
        network: Feature2Image,
        encoder: VGG19 | CompactEncoder,
        judge: FeatureImageDiscriminator | None,
        vgg: VGG19 | None,
        optim: OptimSettings,
        weights: LossSettings,
    ) -> None:
        super().__init__(network, optim)
        self.encoder, self.vgg, self.weights = encoder, vgg, weights
        self.guesser: Image2Feature | None = None
        self.query = QuerySettings()
        if judge is not None and weights.adversarial:
            self.set_judge(judge)

    def use_predictions(self, guesser: Image2Feature, settings: QuerySettings) -> None:
        """Ask patch-swap for the guess instead of the truth in a share of the pictures ([39])."""
        self.guesser, self.query = guesser, settings

    def learn(self, batch: Batch) -> dict[str, Tensor]:
        """Do one step of the generator and, with an adversarial weight, one of D_2."""
        truth, hole = batch.truth, batch.hole
        half = self.optim.precision == "bf16"
        with torch.autocast(truth.device.type, torch.bfloat16, enabled=half):
            swapped = self.swapped(truth, hole)
            image = self.network(swapped).float()
            terms = self._terms(truth, hole, image)
            if self.judge is not None:
                logits = self.judge(swapped, image).float()
                terms["adversarial"] = losses.FOR_GENERATOR[self.weights.kind](logits)
        total = sum(getattr(self.weights, name) * term for name, term in terms.items())
        self.optimizer.zero_grad()
        total.backward()
        self.optimizer.step()
        if self.judge is not None:
            fake = image.detach()
            terms["discriminator"] = self._judge_half(swapped, truth, fake, half)
        return {name: term.detach() for name, term in terms.items()}

    @torch.no_grad()
    def fill(self, batch: Batch) -> Tensor:
        """Translate as inference does where there is a guesser, else from the truth's features."""
        truth, hole = batch.truth, batch.hole
        features = self.encoder(truth).float()
        cells = feature_hole(hole, features.shape[2])
        if self.guesser is None:
            swapped = patch_swap(features, cells)
        else:
            swapped = self._from_predictions(self.guesser, truth, hole, cells)
        painted: Tensor = self.result(swapped).float()
        return painted

    @torch.no_grad()
    def swapped(self, truth: Tensor, hole: Tensor) -> Tensor:
        """Give F'_1 = swap(vgg(guess)) for the share asked for, F'_gt = swap(vgg(truth)) after."""
        features = self.encoder(truth).float()
        cells = feature_hole(hole, features.shape[2])
        taken = round(self.query.prediction * len(truth))
        swapped = patch_swap(features[taken:], cells[taken:])
        if self.guesser is None or not taken:
            return swapped
        predicted = self._from_predictions(self.guesser, truth[:taken], hole[:taken], cells[:taken])
        return torch.cat([predicted, swapped])

    def _from_predictions(
        self, guesser: Image2Feature, truth: Tensor, hole: Tensor, cells: Tensor
    ) -> Tensor:
        """Swap as inference will: known cells by the hole see the guess in their field of view."""
        guess = guesser(torch.where(hole, 0.0, truth), hole)
        asked = self.encoder(torch.where(hole, guess.image.float(), truth)).float()
        if self.query.matching == "literal":
            return patch_swap(asked, cells)
        expected = [None] * len(asked) if guess.features is None else list(guess.features)
        maps = [
            swap_coherently(f, h, e, None, 1, self.query.bonus)[0]
            for f, h, e in zip(asked, cells, expected, strict=True)
        ]
        return torch.stack(maps)

    def _terms(self, truth: Tensor, hole: Tensor, image: Tensor) -> dict[str, Tensor]:
        weight = 1 + (self.weights.hole_weight - 1) * hole.float()
        terms = {"image": losses.weighted_l1_mean(image, truth, weight)}
        if self.vgg is not None and self.weights.perceptual:
            with torch.no_grad():
                wanted = self.vgg.layers(truth, JUDGED)
            found = self.vgg.layers(image, JUDGED)
            everywhere = torch.ones_like(hole)
            terms["perceptual"] = losses.feature_distance(found, wanted, everywhere)
        return terms

    def _judge_half(self, swapped: Tensor, truth: Tensor, fake: Tensor, half: bool) -> Tensor:
        assert self.judge is not None
        assert self.judge_optimizer is not None
        with torch.autocast(truth.device.type, torch.bfloat16, enabled=half):
            real_logits, fake_logits = self.judge(swapped, truth), self.judge(swapped, fake)
        judge_loss = losses.FOR_DISCRIMINATOR[self.weights.kind]
        loss = judge_loss(real_logits.float(), fake_logits.float())
        self.judge_optimizer.zero_grad()
        loss.backward()
        self.judge_optimizer.step()
        return loss
