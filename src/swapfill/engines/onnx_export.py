"""A bundle's networks and patch-swap as whole ONNX files, for other programs and languages."""

from pathlib import Path

from swapfill.bundle import Bundle
from swapfill.engines.onnx_networks import graphs_of
from swapfill.engines.onnx_swap import patch_swap
from swapfill.errors import OutputError
from swapfill.files import write_bytes_atomically

_CARRIED = ("config.json", "README.md")  # what the networks are; what they were trained on


def export(bundle: Bundle, folder: Path) -> list[Path]:
    """Write `<part>.onnx` for every network of a bundle, `patch_swap.onnx`, config and card.

    Each file is whole: the weights are in it, in the precision in which the bundle has them, and
    are widened to float32 when it is loaded.

    Args:
        bundle: its weights are checked.
        folder: made if it is not there; files of these names are replaced.

    Returns:
        What was written.

    Raises:
        BundleError: the bundle is damaged.
        OutputError: the folder cannot be written.
    """
    graphs = {**graphs_of(bundle.config, bundle), "patch_swap": patch_swap()}
    told = f"swapfill model {bundle.config.name}"
    contents = {
        f"{part}.onnx": graph.to_bytes(whole=True, description=f"{part} of the {told}")
        for part, graph in graphs.items()
    }
    contents |= {name: (bundle.folder / name).read_bytes() for name in _there(bundle)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}, want a folder") from None
    for name, content in contents.items():
        write_bytes_atomically(folder / name, content)
    return [folder / name for name in contents]


def _there(bundle: Bundle) -> list[str]:
    return [name for name in _CARRIED if (bundle.folder / name).is_file()]
