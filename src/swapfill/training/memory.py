"""How much memory a stage will take, told before it is taken."""

from typing import Any

import torch
from torch import Tensor, nn

from swapfill.training.data import Batch
from swapfill.training.loop import Stage

_TRAINED = 4  # a weight, its gradient, and two moments of Adam


def estimate(stage: Stage, batch: Batch, batch_size: int) -> dict[str, int]:
    """Estimate what training takes, by one step on a small batch; the stage is changed by it.

    Args:
        stage: to be thrown away after.
        batch: at least two pictures, of the side that is trained at.
        batch_size: of the run.

    Returns:
        Bytes: `weights` (with gradients, optimisers, averages and frozen networks), `activations`
        (what the steps forward keep for the steps back, in proportion to the batch) and `total`.
        What a library needs for itself, and for a moment, comes on top.
    """
    # The storages are held on to, or a later one might come to lie where an earlier one was.
    kept: dict[int, torch.UntypedStorage] = {}
    own = {p.untyped_storage().data_ptr() for part in _parts(stage) for p in part.parameters()}

    def keep(tensor: Tensor) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        stage.learn(batch)
    weights = sum(
        _bytes(part, trained=part in (stage.network, stage.judge)) for part in _parts(stage)
    )
    activations = (
        sum(storage.nbytes() for storage in kept.values()) * batch_size // len(batch.truth)
    )
    return {"weights": weights, "activations": activations, "total": weights + activations}


def _parts(stage: Stage) -> list[nn.Module]:
    return [part for part in vars(stage).values() if isinstance(part, nn.Module)]


def _bytes(network: nn.Module, *, trained: bool) -> int:
    once: int = sum(tensor.nbytes for tensor in network.state_dict().values())
    return once * (_TRAINED if trained else 1)
