"""ONNX Runtime: which device it computes on, and its sessions."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

from swapfill.errors import DeviceError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

# What a device is called here, and there. `auto` is the first of cuda and cpu that is to be had;
# the others are for those who ask: what they make of free shapes differs from driver to driver.
_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
_NUMBERED = ("cuda", "directml")  # those of which there may be several
DEVICES = tuple(_PROVIDERS)
# fp32 is fp32: not tf32, not bf16.
_OPTIONS = {
    "cuda": {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"},
    "openvino": {"precision": "FP32"},
}


class Provider(NamedTuple):
    """Where sessions run: `device` as it was asked for, `number` of several; `sure` if by name."""

    device: str
    number: int
    sure: bool

    @property
    def kind(self) -> str:
        """The device without its number."""
        return self.device.partition(":")[0]

    @property
    def chain(self) -> list[tuple[str, dict[str, str]]]:
        """What ONNX Runtime is to try, in turn: the CPU does what the device cannot."""
        options = dict(_OPTIONS.get(self.kind, {}))
        if self.kind in _NUMBERED:
            options["device_id"] = str(self.number)
        chain = [(_PROVIDERS[self.kind], options)]
        return chain if self.kind == "cpu" else [*chain, (_PROVIDERS["cpu"], {})]


def choose_provider(device: str) -> Provider:
    """Turn `auto`, `cpu`, `cuda`, `cuda:1`, `directml`, `coreml`, `openvino` into what is here.

    Raises:
        DeviceError: it is unknown, or this build of ONNX Runtime does not have it.
    """
    here = _here()
    if device == "auto":
        return Provider("cuda" if "cuda" in here else "cpu", 0, sure=False)
    kind, _, number = device.partition(":")
    several = kind in _NUMBERED and number.isdecimal()
    if kind not in DEVICES or (number and not several) or device.endswith(":"):
        known = ", ".join(("auto", *DEVICES))
        raise DeviceError(f"device {device!r} is unknown to the engine onnx, want {known}")
    if kind not in here:
        raise _not_here(device, here)
    return Provider(device, int(number or 0), sure=True)


def _here() -> list[str]:
    from onnxruntime import get_available_providers

    found = get_available_providers()
    return [kind for kind, provider in _PROVIDERS.items() if provider in found]


def _not_here(device: str, here: list[str]) -> DeviceError:
    has = ", ".join(here)
    return DeviceError(
        f"device {device!r} is not to be had by ONNX Runtime here, want one of {has}"
    )


class Session:
    """A network, loaded.

    Args:
        session: ONNX Runtime's.
        device: where it came to run.
    """

    def __init__(self, session: "InferenceSession", device: str) -> None:
        self._session, self.device = session, device
        self._inputs = [one.name for one in session.get_inputs()]

    def run(self, **arrays: NDArray[Any]) -> list[NDArray[Any]]:
        """Give the outputs; arrays that the network has no input for are left aside."""
        feeds = {name: arrays[name] for name in self._inputs}
        outputs: list[NDArray[Any]] = self._session.run(None, feeds)
        return outputs

    def run_by_name(self, **arrays: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Give the outputs by their names."""
        names = (one.name for one in self._session.get_outputs())
        return dict(zip(names, self.run(**arrays), strict=True))


def open_session(model: bytes, folder: Path, provider: Provider) -> Session:
    """Load a graph whose weights lie in `folder`.

    Threads are ONNX Runtime's choice, one a core, or as many as OMP_NUM_THREADS says.

    Raises:
        DeviceError: the device was asked for by name, and cannot be started.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdecimal():
        options.intra_op_num_threads = int(threads)
    options.enable_cpu_mem_arena = False  # it would keep 140 MB more, and is no faster
    # Threads that wait by spinning would take the cores from NumPy between two networks.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    where = "session.model_external_initializers_file_folder_path"
    options.add_session_config_entry(where, str(folder.resolve()))
    session = onnxruntime.InferenceSession(model, options, providers=provider.chain)
    if provider.chain[0][0] in session.get_providers():
        return Session(session, provider.device)
    if provider.sure:
        raise _not_here(provider.device, [kind for kind in _here() if kind != provider.kind])
    return Session(session, "cpu")
