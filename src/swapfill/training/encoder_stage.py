"""Distillation: teach a compact encoder the features of VGG-19 relu3_1."""

import torch
from torch import Tensor

from swapfill import losses
from swapfill.encoder import VGG19, CompactEncoder
from swapfill.training.data import Batch
from swapfill.training.loop import Stage
from swapfill.training.settings import OptimSettings


class EncoderStage(Stage):
    """Train a `CompactEncoder` on the teacher's relu3_1 features of whole, clean pictures."""

    name = "encoder"

    def __init__(self, student: CompactEncoder, teacher: VGG19, optim: OptimSettings) -> None:
        super().__init__(student, optim)
        self.teacher = teacher

    def learn(self, batch: Batch) -> dict[str, Tensor]:
        """Do one step of squared error and cosine against the teacher."""
        half = self.optim.precision == "bf16"
        with torch.autocast(batch.truth.device.type, torch.bfloat16, enabled=half):
            image = batch.truth.contiguous(memory_format=torch.channels_last)
            with torch.no_grad():
                wanted = self.teacher(image)
            found = self.network(image)
        loss = losses.distillation(found.float(), wanted.float())
        self.descend(loss)
        return {"distillation": loss.detach()}

    @torch.no_grad()
    def figures(self, batch: Batch) -> dict[str, Tensor]:
        """Measure the distance to the teacher; an encoder paints no picture."""
        return {
            "distillation": losses.distillation(self.result(batch.truth), self.teacher(batch.truth))
        }
