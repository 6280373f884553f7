import pytest
import torch
import torch.nn.functional as F

from swapfill.evaluation.inception import Inception, resize_as_tensorflow_1
from swapfill.weights import parameter_count


def test_it_has_the_shape_and_the_numbers_of_the_published_network() -> None:
    with torch.device("meta"):
        network = Inception()
    assert parameter_count(network) == 21_785_568  # of torchvision's, but for its classifiers
    names = network.state_dict().keys()
    assert "Mixed_7c.branch3x3dbl_3b.bn.running_var" in names
    assert "Mixed_6e.branch7x7dbl_5.conv.weight" in names


def test_the_blocks_fit_on_each_other() -> None:
    with torch.device("meta"):
        network = Inception().eval()
    network.to_empty(device="cpu")
    for value in network.state_dict().values():
        value.fill_(1e-3)  # what was in memory may be NaN
    with torch.inference_mode():
        features = network(torch.zeros(1, 3, 40, 50, dtype=torch.uint8))
    assert features.shape == (1, 2048)
    assert features.isfinite().all()


def test_resizing_starts_at_the_top_left_pixel_as_tensorflow_1_did() -> None:
    picture = torch.tensor([[[[0.0, 10.0], [20.0, 30.0]]]])
    wanted = [[0, 5, 10, 10], [10, 15, 20, 20], [20, 25, 30, 30], [20, 25, 30, 30]]
    found = resize_as_tensorflow_1(picture, 4)
    assert found[0, 0].tolist() == wanted
    assert torch.equal(resize_as_tensorflow_1(picture, 2), picture)


@pytest.mark.parametrize(("block", "by_maximum"), [("Mixed_7b", False), ("Mixed_7c", True)])
def test_the_last_block_alone_pools_by_maximum(block: str, by_maximum: bool) -> None:
    with torch.device("meta"):
        network = Inception()
    part = network.get_submodule(block)
    channels = {"Mixed_7b": 1280, "Mixed_7c": 2048}[block]
    seen = []

    def look(unit: object, inputs: tuple[torch.Tensor, ...]) -> None:
        seen.append(inputs[0])

    part.get_submodule("branch_pool").register_forward_pre_hook(look)
    part.to_empty(device="cpu")
    x = torch.rand(1, channels, 3, 3)
    part.eval()(x)
    mean = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    wanted = F.max_pool2d(x, 3, 1, 1) if by_maximum else mean
    torch.testing.assert_close(seen[0], wanted)
