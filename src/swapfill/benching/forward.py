"""Another network, one pass through it: an ONNX file that the user has, such as LaMa's or MI-GAN's.

Only time and memory are asked for, so what a network makes of the numbers does not matter; what it
is given is a picture all the same, in the ranges that such networks are used with.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from swapfill.errors import ConfigError
from swapfill.masks import Hole

_PICTURE, _MASK, _BOTH = 3, 1, 4  # channels of an input, by what it takes
_TYPES = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}


def check_file(path: Path) -> None:
    """Refuse what is no ONNX file: a TorchScript file is code of its maker's, and is not run.

    Raises:
        ConfigError: it is not there, or of another kind.
    """
    if path.suffix.lower() != ".onnx":
        raise ConfigError(f"{path}: cannot be measured, want an ONNX file (.onnx)")
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file, want an ONNX file")


class Forward:
    """A network that is ready, and what it is given; called, it is run once.

    Args:
        path: an ONNX file; each of its inputs is [1, C, H, W] of float32 in [0, 1] or uint8, with
            3 channels for the picture, 1 for the mask, or 4 for the mask and the picture.
        pixels: [S, S, 3], uint8.
        hole: [S, S], true where missing.

    Attributes:
        feeds: what it is given, by the names of its inputs.
        seen: the height and width that it runs at, in words: what the file declares, else S.

    Raises:
        ConfigError: ONNX Runtime does not take the file, or an input is of another kind.
    """

    def __init__(self, path: Path, pixels: NDArray[np.uint8], hole: Hole) -> None:
        self._session = _session(path)
        found = [_given(path, one, pixels, hole) for one in self._session.get_inputs()]
        self.feeds = dict(found)
        height, width = found[0][1].shape[2:]
        self.seen = f"{height} x {width}"

    def __call__(self) -> None:
        """Run it."""
        self._session.run(None, self.feeds)


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdecimal():
        options.intra_op_num_threads = int(threads)
    try:
        providers = ["CPUExecutionProvider"]
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # ONNX Runtime's own have no common class
        line = str(error).strip().partition("\n")[0]
        raise ConfigError(f"{path}: ONNX Runtime does not take it: {line}") from error


def _given(
    path: Path, declared: Any, pixels: NDArray[np.uint8], hole: Hole
) -> tuple[str, NDArray[Any]]:
    """Make what one input takes: its name, and [1, C, H, W]."""
    name, shape, dtype = declared.name, declared.shape, _TYPES.get(declared.type)
    channels = shape[1] if len(shape) == 4 else None
    # Sizes that are words are free.
    several = channels is not None and shape[0] != 1 and isinstance(shape[0], int)
    if dtype is None or several or channels not in (_PICTURE, _MASK, _BOTH):
        raise ConfigError(
            f"{path}: input {name} is {declared.type} {shape}, "
            "want float or uint8 [1, C, H, W] of 1, 3 or 4 channels"
        )
    height, width = (n if isinstance(n, int) else len(hole) for n in shape[2:])
    fitted = Image.fromarray(pixels).resize((width, height))
    mask = Image.fromarray(hole.astype(np.uint8) * 255).resize((width, height), Image.Resampling(0))
    planes = {_PICTURE: (fitted,), _MASK: (mask,), _BOTH: (mask, fitted)}[channels]
    stacked = np.dstack([np.asarray(plane) for plane in planes]).transpose(2, 0, 1)[None]
    whole = np.ascontiguousarray(stacked, dtype)
    return name, whole if dtype is np.uint8 else whole / np.float32(255)
