"""How much memory a stage will take, told before it is taken."""

import weakref
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from swapfill.training.data import Batch
from swapfill.training.loop import Stage

_TRAINED = 4  # a weight, its gradient, and two moments of Adam
# Measured on Linux after eight steps of each stage of configs/default.toml, in bf16 and fp32, and
# of tiny.toml: with these the total is 0.87 to 1.03 of the largest resident size.
_PROCESS, _GAPS = 380_000_000, 0.4  # bytes; share of the activations


def estimate(stage: Stage, batch: Batch, batch_size: int) -> dict[str, int]:
    """Estimate what training takes, by steps on small batches; the stage is changed by them.

    Args:
        stage: to be thrown away after.
        batch: at least two pictures, of the side that is trained at.
        batch_size: of the run.

    Returns:
        Bytes: `weights` (with gradients, optimisers, averages and frozen networks), `activations`
        (the most that the tensors of a step take beside them: what the steps forward keep for the
        steps back, and what lives for a moment), `process` (what Python, torch, its kernels and
        gaps in the heap take of a CPU's memory; 0 on an accelerator, where it was not measured)
        and `total`.
    """
    stage.step = stage.heaviest
    few, twice = len(batch.truth), Batch(*(torch.cat([x, x]) for x in vars(batch).values()))
    with _Live() as live:
        stage.learn(batch)  # from here on there are gradients and moments
        peaks = [live.peak_of(stage, each) for each in (batch, twice)]
    a_picture = (peaks[1] - peaks[0]) / few
    weights = sum(
        _bytes(part, trained=part in (stage.network, stage.judge)) for part in _parts(stage)
    )
    activations = round(peaks[0] + a_picture * (batch_size - few))
    on_cpu = batch.truth.device.type == "cpu"
    process = round(_PROCESS + _GAPS * activations) if on_cpu else 0
    total = weights + activations + process
    return {"weights": weights, "activations": activations, "process": process, "total": total}


class _Live(TorchDispatchMode):
    """Count the bytes of all tensors that are made while it is on, and that still live."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._known: set[int] = set()
        self._bytes = self._most = 0

    def peak_of(self, stage: Stage, batch: Batch) -> int:
        """Do a step; give how many bytes more than before it lived at its worst moment."""
        before = self._most = self._bytes
        stage.learn(batch)
        return self._most - before

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(found):
            if isinstance(leaf, Tensor):
                self._note(leaf.untyped_storage())
        return found

    def _note(self, storage: torch.UntypedStorage) -> None:
        address, size = storage._cdata, storage.nbytes()
        if address in self._known:
            return
        self._known.add(address)
        self._bytes += size
        self._most = max(self._most, self._bytes)
        weakref.finalize(storage, self._forget, address, size)

    def _forget(self, address: int, size: int) -> None:
        self._known.discard(address)
        self._bytes -= size


def _parts(stage: Stage) -> list[nn.Module]:
    return [part for part in vars(stage).values() if isinstance(part, nn.Module)]


def _bytes(network: nn.Module, *, trained: bool) -> int:
    once: int = sum(tensor.nbytes for tensor in network.state_dict().values())
    return once * (_TRAINED if trained else 1)
