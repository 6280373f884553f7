import pytest
import torch
from torch import Tensor, nn

from swapfill.config import DiscriminatorConfig, GlcicConfig
from swapfill.errors import ConfigError
from swapfill.glcic import CompletionNetwork, GlobalLocalJudge, local_squares
from swapfill.networks import initialise


def network(**more: object) -> CompletionNetwork:
    built = CompletionNetwork(GlcicConfig.read({"width": 2, **more}, "test"))
    initialise(built, torch.Generator().manual_seed(0))
    return built.eval()


def judge(side: int = 32, **more: object) -> GlobalLocalJudge:
    built = GlobalLocalJudge(DiscriminatorConfig.read({"width": 2, **more}, "test"), side)
    initialise(built, torch.Generator().manual_seed(0))
    return built.eval()


def box(side: int, top: int, left: int, height: int, width: int) -> Tensor:
    hole = torch.zeros(1, 1, side, side, dtype=torch.bool)
    hole[..., top : top + height, left : left + width] = True
    return hole


def published(part: nn.Module) -> list[tuple[int, int, int, int, int]]:
    """Each convolution of a network: channels in and out, kernel, stride, dilation."""
    return [
        (m.in_channels, m.out_channels, m.kernel_size[0], m.stride[0], m.dilation[0])
        for m in part.modules()
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)
    ]


def test_the_completion_network_is_that_of_table_1() -> None:
    with torch.device("meta"):
        built = CompletionNetwork(GlcicConfig())
    down = [(4, 64, 5, 1, 1), (64, 128, 3, 2, 1), (128, 128, 3, 1, 1), (128, 256, 3, 2, 1)]
    middle = [(256, 256, 3, 1, dilation) for dilation in (1, 1, 2, 4, 8, 16, 1, 1)]
    up = [(256, 128, 4, 2, 1), (128, 128, 3, 1, 1), (128, 64, 4, 2, 1), (64, 32, 3, 1, 1)]
    assert published(built) == [*down, *middle, *up, (32, 3, 3, 1, 1)]
    norms = [m.num_features for m in built.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms == [c_out for _, c_out, *_ in [*down, *middle, *up]]
    assert sum(isinstance(m, nn.ReLU) for m in built.modules()) == len(norms)
    assert isinstance(built.layers[-1], nn.Sigmoid)


def test_the_judges_are_those_of_table_2() -> None:
    with torch.device("meta"):
        built = GlobalLocalJudge(DiscriminatorConfig(), 256)
    local = [(3, 64), (64, 128), (128, 256), (256, 512), (512, 512)]
    halved = [(*pair, 5, 2, 1) for pair in local]
    squeeze = (512, 1024, 4, 1, 1)  # 4x4 cells, all connected
    assert published(built.part) == [*halved, squeeze]
    assert published(built.whole) == [*halved, (512, 512, 5, 2, 1), squeeze]
    assert published(built.answer) == [(2048, 1, 1, 1, 1)]


@pytest.mark.parametrize("size", [(16, 16), (20, 36)])
def test_a_picture_of_any_size_that_4_divides_is_completed(size: tuple[int, int]) -> None:
    picture, hole = torch.rand(2, 3, *size), torch.zeros(2, 1, *size, dtype=torch.bool)
    hole[..., 4:9, 5:12] = True
    found = network()(picture, hole)
    assert found.shape == picture.shape
    assert 0 <= float(found.detach().min()) <= float(found.detach().max()) <= 1
    assert found.detach().std() > 0


def test_what_lies_in_the_hole_does_not_matter_and_what_lies_around_it_does() -> None:
    built, picture, hole = network(), torch.rand(1, 3, 32, 32), box(32, 10, 10, 8, 8)
    found = built(picture, hole)
    assert torch.equal(built(torch.where(hole, 7.0, picture), hole), found)
    assert not torch.equal(built(picture, box(32, 10, 10, 8, 9)), found)
    other = picture.clone()
    other[..., 9, 9] = 1 - other[..., 9, 9]
    inside = hole.expand_as(found)
    assert not torch.equal(built(other, hole)[inside], found[inside])


def test_the_hole_is_shown_as_the_mean_colour_and_the_mask() -> None:
    built, shown = network(), list[Tensor]()
    built.layers.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    picture, hole = torch.full((1, 3, 16, 16), 0.5), box(16, 4, 4, 8, 8)
    built(picture, hole)
    assert shown[0][0, :, 5, 5].tolist() == [0, 0, 0, 1]
    mean = torch.tensor((0.485, 0.456, 0.406))
    torch.testing.assert_close(shown[0][0, :3, 0, 0], 0.5 - mean)
    assert float(shown[0][0, 3, 0, 0]) == 0


@pytest.mark.parametrize(
    ("place", "start"),
    [((12, 10, 8, 6), (8, 5)), ((0, 0, 4, 4), (0, 0)), ((28, 30, 4, 2), (16, 16))],
)
def test_a_local_square_is_centred_on_its_hole_where_that_fits(
    place: tuple[int, int, int, int], start: tuple[int, int]
) -> None:
    image = torch.rand(1, 3, 32, 32)
    top, left = start
    wanted = image[..., top : top + 16, left : left + 16]
    assert torch.equal(local_squares(image, box(32, *place)), wanted)


def test_each_picture_of_a_batch_has_its_own_square() -> None:
    image = torch.rand(2, 3, 32, 32)
    holes = torch.cat([box(32, 2, 2, 4, 4), box(32, 20, 20, 4, 4)])
    both = local_squares(image, holes)
    for i in range(2):
        assert torch.equal(both[i : i + 1], local_squares(image[i : i + 1], holes[i : i + 1]))


@pytest.mark.parametrize("norm", ["none", "batch", "spectral"])
def test_the_judge_sees_the_whole_picture_and_its_square(norm: str) -> None:
    built, image, hole = judge(norm=norm), torch.rand(2, 3, 32, 32), box(32, 2, 2, 4, 4)
    holes = hole.expand(2, -1, -1, -1)
    logits = built(image, holes)
    assert logits.shape == (2, 1, 1, 1)
    far = image.clone()
    far[..., 30, 30] = 0  # outside the square
    assert not torch.equal(built(far, holes), logits)
    assert not torch.equal(built(image, box(32, 20, 20, 4, 4).expand(2, -1, -1, -1)), logits)
    assert torch.equal(built(image[:1], hole), logits[:1])
    shown = list[Tensor]()
    built.part.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    built(image, holes)
    assert torch.equal(shown[0], local_squares(image, holes) * 2 - 1)


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ConfigError, match="depth is not a setting, want one of norm, width"):
        network(depth=3)
