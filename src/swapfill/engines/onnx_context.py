"""What a guess sees of the whole picture, as ONNX operators: the twin of `context`."""

from swapfill.engines import onnx_blocks as blocks
from swapfill.engines.onnx_graph import Graph

_HEAD = 64  # channels of an attention head
_EPSILON = 1e-5


def context(graph: Graph, x: str, at: str, channels: int, width: int, count: int) -> str:
    """Let each cell of a map [B, channels, h, w] ask all others, and add what they answer."""
    seen = blocks.conv(graph, x, f"{at}.before", channels, width, 1)
    for i in range(count):
        block = f"{at}.blocks.{i}"
        near = _normalised(graph, seen, f"{block}.norm_all", width)
        asked = blocks.conv(graph, near, f"{block}.asked", width, 3 * width, 1)
        found = _attend(graph, asked, width)
        answer = blocks.conv(graph, found, f"{block}.answer", width, width, 1)
        seen = graph.op("Add", seen, answer)
        near = _normalised(graph, seen, f"{block}.norm_near", width)
        near = blocks.conv(graph, near, f"{block}.near", width, width, 3, margin=1)
        near = graph.op("Relu", near)
        mixed = blocks.conv(graph, near, f"{block}.mixed", width, width, 1)
        seen = graph.op("Add", seen, mixed)
    return graph.op("Add", x, blocks.conv(graph, seen, f"{at}.after", width, channels, 1))


def _attend(graph: Graph, asked: str, width: int) -> str:
    """Give each cell what its attention finds: [B, 3 width, h, w] to [B, width, h, w]."""
    heads = max(width // _HEAD, 1)
    parts = graph.op("Reshape", asked, graph.constant([0, 3, heads, width // heads, -1]))
    query, key, value = (graph.op("Gather", parts, graph.constant(i), axis=1) for i in range(3))
    scale = graph.constant((width // heads) ** -0.5)
    query = graph.op("Mul", graph.op("Transpose", query, perm=[0, 1, 3, 2]), scale)
    share = graph.op("Softmax", graph.op("MatMul", query, key), axis=-1)  # [B, heads, cells, cells]
    found = graph.op("MatMul", value, graph.op("Transpose", share, perm=[0, 1, 3, 2]))
    joined = graph.op("Reshape", found, graph.constant([0, width, -1]))
    size = graph.op("Slice", graph.op("Shape", asked), graph.constant([2]), graph.constant([4]))
    head = graph.constant([0, width])
    return graph.op("Reshape", joined, graph.op("Concat", head, size, axis=0))


def _normalised(graph: Graph, x: str, at: str, channels: int) -> str:
    """Normalise each cell over its channels."""
    weight = graph.weight(f"{at}.weight", channels)
    bias = graph.weight(f"{at}.bias", channels)
    last = graph.op("Transpose", x, perm=[0, 2, 3, 1])
    even = graph.op("LayerNormalization", last, weight, bias, axis=-1, epsilon=_EPSILON)
    return graph.op("Transpose", even, perm=[0, 3, 1, 2])
