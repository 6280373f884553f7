"""Train Feature2Image: equations 5 and 6, on swapped features of the truth or of predictions."""

from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swapfill import losses
from swapfill.architectures import Guesser, Translator
from swapfill.config import COARSEST, FillSettings
from swapfill.encoder import VGG19, CompactEncoder
from swapfill.engines.interface import Query
from swapfill.engines.torch_engine import TorchEngine
from swapfill.feature2image import Guide
from swapfill.matching import apart, with_pixels
from swapfill.networks import FeatureImageDiscriminator, ImagePairDiscriminator
from swapfill.patch_swap import feature_hole, patch_swap
from swapfill.pipeline import carry_pieces
from swapfill.projected import LOOKED_AT, ProjectedDiscriminator, surroundings
from swapfill.training.balance import Balance
from swapfill.training.data import Batch
from swapfill.training.loop import Stage
from swapfill.training.settings import LossSettings, OptimSettings, QuerySettings
from swapfill.training.team import Team

JUDGED = tuple(LOOKED_AT)  # layers of the perceptual loss
Judge = FeatureImageDiscriminator | ImagePairDiscriminator | ProjectedDiscriminator
_COARSE = 4  # the truth stands in for a guess at this fraction of its resolution


class Given(NamedTuple):
    """What one batch gives the network, and what it is to answer, `truth` [B, 3, S, S]."""

    truth: Tensor
    features: Tensor  # F'_1 or F'_gt
    guide: Guide
    around: dict[str, Tensor]  # what a conditional judge is told, as large as features, or nothing


class View(NamedTuple):
    """What is judged of a picture: itself, [B, 3, S, S], and VGG-19's `JUDGED` layers of it."""

    image: Tensor
    layers: dict[str, Tensor]

    def detached(self) -> "View":
        """Give it without its history."""
        return View(self.image.detach(), {n: layer.detach() for n, layer in self.layers.items()})


class Feature2ImageStage(Stage):
    """G_2 against D_2; the encoder, and Image2Feature if predictions are asked for, are frozen."""

    name = "feature2image"

    def __init__(
        self,
        network: Translator,
        encoder: VGG19 | CompactEncoder,
        judge: Judge | None,
        vgg: VGG19 | None,
        optim: OptimSettings,
        weights: LossSettings,
    ) -> None:
        super().__init__(network, optim)
        self.encoder, self.vgg, self.weights = encoder, vgg, weights
        self.balance = Balance(weights)
        self.config = network.config
        self.query = QuerySettings()
        self.guesser: Guesser | None = None
        self.engine: TorchEngine | None = None  # that asks as inference does
        self.tile, self.tiles = 0, 1
        self.projected = isinstance(judge, ProjectedDiscriminator)
        self.conditional = isinstance(judge, ProjectedDiscriminator) and len(judge.told) > 0
        if judge is not None and weights.adversarial:
            self.set_judge(judge)

    def use_predictions(self, guesser: Guesser, settings: QuerySettings) -> None:
        """Ask patch-swap for the guess instead of the truth in a share of the pictures ([39])."""
        device = next(guesser.parameters()).device
        dtype = torch.bfloat16 if self.optim.precision == "bf16" else torch.float32
        self.engine = TorchEngine(self.encoder, guesser, {}, device, dtype)
        self.guesser = guesser  # where all other networks are, to be counted and compiled
        self.query = settings

    def join(self, team: Team) -> None:
        """Let `team` call the networks that learn, and measure with it."""
        super().join(team)
        self.balance.team = team

    def learn(self, batch: Batch) -> dict[str, Tensor]:
        """Do one step of the generator and, with an adversarial weight, one of the judge."""
        half = self.optim.precision == "bf16"
        with torch.autocast(batch.truth.device.type, torch.bfloat16, enabled=half):
            given = self.given(batch.truth, batch.hole)
            if self.conditional:
                given = given._replace(around=self._around(given.guide))
            if self.tile:
                rng = np.random.default_rng([self.optim.seed, self.step])
                given = cut(given, self.tile, self.tiles, rng)
            image = self.network(given.features, given.guide).float()
            made = self._view(self._composite(given, image))
            with torch.no_grad():
                real = self._view(given.truth)
            terms = self._terms(given, image, made, real)
            if self.judge is not None:
                logits = self._judged(self.judge, given, made)
                terms["adversarial"] = losses.FOR_GENERATOR[self.weights.kind](*logits)
        total = self.balance.total(terms, self.step)
        self.descend(total)
        if self.judge is not None:
            terms |= self._judge_half(given, made.detached(), real, half)
        return {name: term.detach() for name, term in terms.items()}

    @torch.no_grad()
    def fill(self, batch: Batch) -> Tensor:
        """Translate as inference does where there is a guesser, else from the truth's features."""
        share = 0.0 if self.engine is None else 1.0
        given = self._mixture(batch.truth, batch.hole, share)
        painted: Tensor = self.result(given.features, given.guide).float()
        return painted

    @torch.no_grad()
    def given(self, truth: Tensor, hole: Tensor) -> Given:
        """Swap for the guess in the share asked for (F'_1), for the truth after that (F'_gt).

        Args:
            truth: [B, 3, S, S] in [0, 1].
            hole: [B, 1, S, S], bool.
        """
        return self._mixture(truth, hole, self.query.prediction)

    def _mixture(self, truth: Tensor, hole: Tensor, share: float) -> Given:
        taken = round(share * len(truth)) if self.engine is not None else 0
        parts = []
        if self.engine is not None and taken:
            parts.append(self._from_predictions(self.engine, truth[:taken], hole[:taken]))
        if taken < len(truth):
            parts.append(self._from_truth(truth[taken:], hole[taken:]))
        features, pixels, guess = (torch.cat(part) for part in zip(*parts, strict=True))
        return Given(truth, features, Guide(pixels, guess, hole), {})

    def _from_truth(self, truth: Tensor, hole: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give F'_gt, the pixels of its pieces, and the coarse content that is to be corrected."""
        features = self.encoder(truth).float()
        cells = feature_hole(hole, features.shape[2])
        swapped = patch_swap(features, cells, values=with_pixels(features, truth))
        guess = truth
        if self.config.guided:  # else it would see what it is to answer
            side = truth.shape[2]
            coarse = F.interpolate(truth, size=(side // _COARSE, side // _COARSE), mode="area")
            grown = F.interpolate(coarse, size=(side, side), mode="bilinear", align_corners=False)
            guess = torch.where(hole, grown, truth)
        return *apart(swapped, truth, hole), guess

    def _from_predictions(
        self, engine: TorchEngine, truth: Tensor, hole: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Swap as inference will."""
        query = self.query
        settings = FillSettings(
            matching=query.matching,
            bonus=query.bonus,
            colour=query.colour,
            distance=query.distance,
            border=query.border,
            tone=query.tone,
        )
        side, known = truth.shape[2], torch.where(hole, 0.0, truth)
        if settings.matching == "coherent":
            pieces = carry_pieces(engine, known, hole, self._scales(side), settings)
            swapped, guess = pieces.swapped, pieces.guess
        else:
            guess, _ = engine.infer(known, hole)
            swapped = engine.swap(Query(guess, engine.encode(guess), hole), settings)
        # Autograd refuses tensors of inference mode; their copies are ordinary ones.
        return swapped.features.clone(), swapped.pixels.clone(), guess.clone()

    def _scales(self, side: int) -> tuple[int, ...]:
        """Give the side to match at, and the last: carried by 2 as in a wide hole, or the same."""
        draw = np.random.default_rng([self.optim.seed, 3, self.step]).random()
        first = side if draw < self.query.direct else max(COARSEST, side // 2)
        return (first, side) if first < side else (side,)

    def _composite(self, given: Given, image: Tensor) -> Tensor:
        """Give what is judged: of a guided network, what is kept of it in the end."""
        if not self.config.guided:
            return image
        return torch.where(given.guide.hole, image, given.truth)

    @torch.no_grad()
    def _around(self, guide: Guide) -> dict[str, Tensor]:
        """Say what the known side is like, before tiles are cut; pieces stand in for the hole."""
        assert self.vgg is not None
        return surroundings(self.vgg.layers(guide.pixels, JUDGED), guide.hole)

    def _view(self, image: Tensor) -> View:
        if self.vgg is None or not (self.weights.perceptual or self.projected):
            return View(image, {})
        return View(image, self.vgg.layers(image, JUDGED))

    def _terms(self, given: Given, image: Tensor, made: View, real: View) -> dict[str, Tensor]:
        truth, hole = given.truth, given.guide.hole
        weight = 1 + (self.weights.hole_weight - 1) * hole.float()
        terms = {"image": losses.IMAGE[self.weights.distance](image, truth, weight)}
        if self.vgg is not None and self.weights.perceptual:
            where = hole if self.config.guided else torch.ones_like(hole)
            terms["perceptual"] = losses.feature_distance(made.layers, real.layers, where)
        return terms

    def _judged(self, judge: nn.Module, given: Given, view: View) -> tuple[Tensor, Tensor | None]:
        """Give a judge's logits of a picture, and the weights of its patches.

        D_2 sees features and picture. Where the network is guided, D_1's pair takes its place (the
        pieces are no longer the whole input, and a judge that knows them finds out by whether they
        were followed), and only patches that see the hole count. The projected one sees VGG's
        features of the picture, and a conditional one those of what is known around.
        """
        logits = self._logits(judge, given, view).float()
        if not self.config.guided:
            return logits, None
        cover = F.adaptive_avg_pool2d(given.guide.hole.float(), (logits.shape[2], logits.shape[3]))
        return logits, cover.expand_as(logits)

    def _beside(self, given: Given) -> Tensor:
        """Give what a judge sees beside the picture."""
        if not self.config.guided:
            return given.features
        return torch.where(given.guide.hole, 0.0, given.truth)

    def _judge_half(self, given: Given, made: View, real: View, half: bool) -> dict[str, Tensor]:
        assert self.judge is not None
        with torch.autocast(given.truth.device.type, torch.bfloat16, enabled=half):
            genuine, weight = self._judged(self.judge, given, real)
            fake, _ = self._judged(self.judge, given, made)
        loss = losses.FOR_DISCRIMINATOR[self.weights.kind](genuine, fake, weight)
        terms, penalised = {"discriminator": loss}, self.weights.penalty_at(self.step)
        if penalised:
            judge = self.judge
            penalty = losses.gradient_penalty(
                lambda _, image: self._logits(judge, given, self._view(image)),
                self._beside(given),
                given.truth,
            )
            terms["penalty"] = penalty
            loss = loss + penalised * penalty
        self.descend_judge(loss)
        return terms

    def _logits(self, judge: nn.Module, given: Given, view: View) -> Tensor:
        if self.projected:
            return judge(view.layers, given.around)  # type: ignore[no-any-return]
        return judge(self._beside(given), view.image)  # type: ignore[no-any-return]

    def _parts(self) -> dict[str, Any]:
        measured = {"balance": self.balance} if self.weights.ratio.asked else {}
        return super()._parts() | measured


def cut(given: Given, side: int, count: int, rng: np.random.Generator) -> Given:
    """Cut tiles of `side` pixels out of each picture, `count` of each, near pixels of its hole.

    A tile costs what a small picture costs, but its pieces come from a large one.
    """
    tiles = []
    cell = given.truth.shape[2] // given.features.shape[2]
    holes = given.guide.hole[:, 0].cpu()
    for i in np.repeat(np.arange(len(holes)), count).tolist():
        low = [slice(c // cell, (c + side) // cell) for c in _corner(holes[i], side, rng)]
        high = [slice(part.start * cell, part.stop * cell) for part in low]
        images = [image[i, :, high[0], high[1]] for image in (given.truth, *given.guide)]
        cells = [c[i, :, low[0], low[1]] for c in (given.features, *given.around.values())]
        tiles.append([*images, *cells])
    parts = [torch.stack(part) for part in zip(*tiles, strict=True)]
    truth, *guide = parts[:4]
    return Given(truth, parts[4], Guide(*guide), dict(zip(given.around, parts[5:], strict=True)))


def _corner(hole: Tensor, side: int, rng: np.random.Generator) -> list[int]:
    """Give the first row and column of a tile that holds or nearly holds a pixel of the hole."""
    places = hole.nonzero()
    centre = (
        places[int(rng.integers(len(places)))] if len(places) else torch.tensor(hole.shape) // 2
    )
    jitter = rng.integers(-side // 4, side // 4 + 1, size=2)
    last = hole.shape[0] - side
    return [
        int(np.clip(int(c) + j - side // 2, 0, last)) for c, j in zip(centre, jitter, strict=True)
    ]
