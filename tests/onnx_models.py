"""What the tests of graphs share: networks with random weights on disk, and graphs that are run."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from swapfill.architectures import build_feature2image, build_image2feature
from swapfill.bundle import SHARED, Bundle, BundleConfig, write_sums
from swapfill.encoder import build_encoder
from swapfill.engines.onnx_graph import Graph
from swapfill.networks import initialise
from swapfill.weights import load_into, save_from


def store(network: nn.Module, path: Path) -> Path:
    """Give a network random weights, of its norms and biases too, through a file in half."""
    generator = torch.Generator().manual_seed(0)
    initialise(network, generator)
    for name, tensor in network.state_dict().items():
        starts_at_nothing = tensor.ndim > 1 and not tensor.any()
        if tensor.ndim == 1 or starts_at_nothing:
            tensor.normal_(generator=generator).mul_(0.3)
        if name.endswith("running_var"):
            tensor.abs_().add_(0.5)
    save_from(network, path, half=True)
    load_into(network, path)
    network.eval().requires_grad_(False)
    return path


def write_bundle(config: BundleConfig, folder: Path) -> Bundle:
    """Write a bundle of random weights in half precision."""
    folder.mkdir()
    store(build_encoder(config.encoder), folder / "encoder.safetensors")
    store(build_image2feature(config.image2feature), folder / "image2feature.safetensors")
    for side, translator in config.feature2image.items():
        part = "feature2image" if side == SHARED else f"feature2image-{side}"
        store(build_feature2image(translator), folder / f"{part}.safetensors")
    (folder / "config.json").write_text(config.model_dump_json())
    write_sums(folder)
    return Bundle.open(folder)


def run_graph(graph: Graph, arrays: dict[str, NDArray[np.generic]]) -> list[NDArray[np.float32]]:
    """Check a graph with `onnx`, and run it with its weights in it."""
    model = graph.to_bytes(whole=True)
    onnx.checker.check_model(onnx.load_from_string(model), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    outputs: list[NDArray[np.float32]] = session.run(None, arrays)
    return outputs
