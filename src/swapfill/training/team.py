"""The processes that train together: one alone, or those that torchrun started."""

import atexit
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from swapfill.devices import choose_device
from swapfill.errors import DeviceError
from swapfill.training.data import Batch
from swapfill.training.launch import processes, processes_here

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Team:
    """A process that trains alone, on one device: it has nobody to agree with."""

    rank, size = 0, 1

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @property
    def leads(self) -> bool:
        """Whether this process is the one that logs, looks and saves."""
        return self.rank == 0

    def prepare(self, batch: Batch) -> Batch:
        """Make a batch ready for `take`; for a thread beside the one that trains."""
        if self.device.type != "cuda":
            return batch
        truth = batch.truth.contiguous(memory_format=torch.channels_last)
        return Batch(truth.pin_memory(), batch.hole.pin_memory())

    def take(self, batch: Batch) -> Batch:
        """Take a batch onto the device; from pinned memory that waits for nothing."""
        if self.device.type == "cpu":
            return batch
        truth = batch.truth.to(self.device, non_blocking=True)
        return Batch(truth, batch.hole.to(self.device, non_blocking=True))

    def join(self, network: nn.Module, *, sync_norm: bool = False) -> nn.Module:
        """Give what is called in the place of a network that learns: its gradients are the team's.

        Weights go in and out under the network's own names; its parameters stay the same objects.

        Raises:
            DeviceError: `sync_norm` is asked for where torch has none.
        """
        return network

    def mean(self, values: Tensor) -> Tensor:
        """Average each value over the processes."""
        return values

    def average(self, tensors: list[Tensor]) -> None:
        """Average tensors over the processes, in place."""

    def any(self, *claims: bool) -> list[bool]:
        """Tell of each claim whether some process makes it."""
        return list(claims)

    def led(self, work: Callable[[], bool | None]) -> bool:
        """Let the leader do `work` while the others wait; each gets its answer.

        Raises:
            LeaderFailed: in the others, if it raised; the leader raises what `work` did.
        """
        return work() is True

    def wait(self) -> None:
        """Return once every process has come here."""

    @contextmanager
    def one_first(self) -> Iterator[None]:
        """Let one process of each machine do what is inside, then the others."""
        yield


class FabricTeam(Team):
    """Processes with a copy of the networks each, whose gradients are averaged (DDP).

    Lightning Fabric knows the launcher, the process group and its backend for each device. Hugging
    Face's Accelerate would do as well; it brings a hub client and twice the megabytes (32 against
    17, measured with torch there), and keeps its state in process-wide singletons.
    """

    def __init__(self, fabric: "Fabric") -> None:
        super().__init__(fabric.device)
        self.rank, self.size = fabric.global_rank, fabric.world_size
        self._fabric = fabric

    def join(self, network: nn.Module, *, sync_norm: bool = False) -> nn.Module:
        """See `Team.join`."""
        if sync_norm and self.device.type != "cuda":
            raise DeviceError(f"optim.sync_norm is for CUDA alone, want false on {self.device}")
        if sync_norm:
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return self._fabric.setup_module(network)

    def mean(self, values: Tensor) -> Tensor:
        """See `Team.mean`."""
        averaged = self._fabric.all_reduce(values, reduce_op="mean")
        assert isinstance(averaged, Tensor)
        return averaged

    def average(self, tensors: list[Tensor]) -> None:
        """See `Team.average`."""
        if tensors:
            means = self.mean(torch.cat([tensor.flatten() for tensor in tensors]))
            for tensor, mean in zip(
                tensors, means.split([t.numel() for t in tensors]), strict=True
            ):
                tensor.copy_(mean.view_as(tensor))

    def any(self, *claims: bool) -> list[bool]:
        """See `Team.any`."""
        shares = self.mean(torch.tensor(claims, dtype=torch.float32, device=self.device))
        return [share > 0 for share in shares.tolist()]

    def led(self, work: Callable[[], bool | None]) -> bool:
        """See `Team.led`."""
        answer, fault = False, None
        if self.leads:
            try:
                answer = work() is True
            except Exception as raised:
                fault = raised
        failed, answer = self.any(fault is not None, answer)
        if fault is not None:
            raise fault
        if failed:
            raise LeaderFailed("the leading process says why")
        return answer

    def wait(self) -> None:
        """See `Team.wait`."""
        self._fabric.barrier()

    @contextmanager
    def one_first(self) -> Iterator[None]:
        """See `Team.one_first`."""
        with self._fabric.rank_zero_first(local=True):
            yield


class LeaderFailed(Exception):  # noqa: N818 (the leader's error is the one to read)
    """The process that leads has failed, and tells of it; there is no more to say here."""


ALONE = Team(torch.device("cpu"))


def gather(device: str) -> Team:
    """Join the processes that torchrun started; without it, be alone.

    Args:
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`. Of several processes on CUDA each takes a
            card of its own.

    Raises:
        DeviceError: the device is not here or not for several processes, there are more processes
            than cards, or Lightning Fabric is not installed.
    """
    chosen = choose_device(device)
    size, here = processes(), processes_here()
    if size == 1:
        return Team(chosen)
    if chosen.type == "mps" or chosen.index is not None:
        raise DeviceError(
            f"device {device!r} is for one process, want auto, cpu or cuda for {size}"
        )
    if chosen.type == "cuda" and here > torch.cuda.device_count():
        raise DeviceError(
            f"{here} processes on this machine have {torch.cuda.device_count()} CUDA devices, want "
            "one for each"
        )
    try:
        from lightning_fabric import Fabric
        from lightning_fabric.strategies.ddp import DDPStrategy
    except ImportError:
        raise DeviceError(
            f"torchrun started {size} processes: want lightning-fabric for that, "
            "pip install 'swapfill[train]'"
        ) from None
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # else it says who has come
    strategy = DDPStrategy(**_own_buffers())
    fabric = Fabric(
        accelerator=chosen.type, strategy=strategy, devices=here, num_nodes=size // here
    )
    fabric.launch()
    atexit.register(_leave)
    return FabricTeam(fabric)


def _leave() -> None:
    """Leave the process group while the interpreter is whole.

    A thread of gloo's that lets go of its last tensor later than that ends the process by SIGABRT
    (pytorch/pytorch#179291). Fabric leaves NCCL's groups itself, and no others.
    """
    if dist.is_initialized():
        dist.destroy_process_group()


def _own_buffers() -> dict[str, Any]:
    """Tell DDP not to copy buffers at each call.

    A discriminator is called twice before its gradients are taken, and the leader alone looks at
    the network: either fails if a call changes batch norms by those of other processes.
    """
    new = "forward_sync_buffers" in inspect.signature(DistributedDataParallel).parameters
    return {"forward_sync_buffers" if new else "broadcast_buffers": False}
