"""Train GLCIC ([16], algorithm 1): the completion alone, its judge alone, then both."""

import torch
from torch import Tensor

from swapfill import losses
from swapfill.glcic import CompletionNetwork, GlobalLocalJudge
from swapfill.training.data import Batch
from swapfill.training.loop import Stage
from swapfill.training.settings import LossSettings, OptimSettings, PhaseSettings


class GlcicStage(Stage):
    """The completion network by its squared error in the hole, then against its judge too.

    Differs from the paper: Adam, as all stages here, in place of AdaDelta.
    """

    name = "glcic"

    def __init__(
        self,
        network: CompletionNetwork,
        judge: GlobalLocalJudge,
        optim: OptimSettings,
        weights: LossSettings,
        phases: PhaseSettings,
    ) -> None:
        super().__init__(network, optim)
        self.set_judge(judge)
        self.weights = weights
        self.judged_from, self.fooled_from = phases.starts(optim.steps)

    @property
    def heaviest(self) -> int:
        """The first step at which both learn; the last one where none comes."""
        return min(self.fooled_from, self.optim.last_step - 1)

    def learn(self, batch: Batch) -> dict[str, Tensor]:
        """Do one step of whom the phase lets learn: the judge first, then the completion."""
        alone, waiting = self.step < self.judged_from, self.step < self.fooled_from
        half = self.optim.precision == "bf16"
        with torch.autocast(batch.truth.device.type, torch.bfloat16, enabled=half):
            with torch.set_grad_enabled(not waiting or alone):
                image = self._completed(batch)
            terms = {} if alone else self._judge_half(batch, image.detach())
            if alone or not waiting:
                terms |= self._completion_half(batch, image, judged=not alone)
        return {name: term.detach() for name, term in terms.items()}

    @torch.no_grad()
    def fill(self, batch: Batch) -> Tensor:
        """Give the network's answer; only its hole means something."""
        painted: Tensor = self.result(torch.where(batch.hole, 0.0, batch.truth), batch.hole)
        return painted.float()

    def _completed(self, batch: Batch) -> Tensor:
        painted = self.network(torch.where(batch.hole, 0.0, batch.truth), batch.hole).float()
        return torch.where(batch.hole, painted, batch.truth)

    def _completion_half(self, batch: Batch, image: Tensor, *, judged: bool) -> dict[str, Tensor]:
        distance = losses.IMAGE[self.weights.distance]
        terms = {"image": distance(image, batch.truth, batch.hole)}
        total = self.weights.image * terms["image"]
        if judged:
            assert self.judge is not None
            logits = self.judge(image, batch.hole).float()
            terms["adversarial"] = losses.FOR_GENERATOR[self.weights.kind](logits)
            total = total + self.weights.adversarial * terms["adversarial"]
        self.descend(total)
        return terms

    def _judge_half(self, batch: Batch, fake: Tensor) -> dict[str, Tensor]:
        assert self.judge is not None
        # Of a real picture the local square lies anywhere (their M_d): where another one's hole is.
        elsewhere = batch.hole.roll(1, dims=0)
        real_logits, fake_logits = self.judge(batch.truth, elsewhere), self.judge(fake, batch.hole)
        judged = losses.FOR_DISCRIMINATOR[self.weights.kind]
        loss = judged(real_logits.float(), fake_logits.float())
        self.descend_judge(loss)
        return {"discriminator": loss}
