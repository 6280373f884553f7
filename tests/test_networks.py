from typing import Literal, cast

import pytest
import torch
from torch import Tensor, nn

from swapfill.config import (
    DiscriminatorConfig,
    Feature2ImageConfig,
    Image2FeatureConfig,
    Norm,
    Upsampling,
)
from swapfill.errors import ConfigError
from swapfill.feature2image import Feature2Image
from swapfill.networks import (
    FeatureImageDiscriminator,
    Image2Feature,
    ImagePairDiscriminator,
    initialise,
    smooth_fill,
)
from swapfill.weights import parameter_count

Translator = Image2Feature | Feature2Image
NORMS = (nn.BatchNorm2d, nn.GroupNorm)


def literal(side: int = 256, width: int = 4, max_width: int = 8) -> Image2Feature:
    config = Image2FeatureConfig(side=side, mask_aware=False, width=width, max_width=max_width)
    return Image2Feature(config)


def aware(side: int = 128, *, norm: Norm = "batch", head: bool = False) -> Image2Feature:
    config = Image2FeatureConfig(side=side, width=8, max_width=8, norm=norm, feature_head=head)
    return Image2Feature(config)


def translator(side: int = 256, *, upsampling: Upsampling = "resize") -> Feature2Image:
    config = Feature2ImageConfig(
        side=side, in_channels=6, width=4, max_width=8, upsampling=upsampling
    )
    return Feature2Image(config)


def square_hole(side: int, batch: int = 1) -> Tensor:
    hole = torch.zeros(batch, 1, side, side, dtype=torch.bool)
    first = side * 9 // 32
    hole[:, :, first:-first, first:-first] = True
    return hole


def ask(network: Translator, side: int, batch: int = 2) -> Tensor:
    """One pass; give the picture."""
    if isinstance(network, Feature2Image):
        return cast(Tensor, network(torch.rand(batch, 6, side // 4, side // 4)))
    return cast(Tensor, network(torch.rand(batch, 3, side, side), square_hole(side, batch)).image)


def convolutions(network: nn.Module) -> list[nn.Module]:
    return [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]


def layers_of(blocks: nn.ModuleList) -> list[list[nn.Module]]:
    return [list(block.children()) for block in blocks]


class Seen:
    """The maps that go in and out of every block in one pass."""

    def __init__(self, network: Translator, side: int) -> None:
        self.maps: dict[nn.Module, tuple[Tensor, Tensor]] = {}
        blocks = [*network.encoder, *network.decoder]
        if isinstance(network, Feature2Image):
            blocks.append(network.stem)
        hooks = [block.register_forward_hook(self._note) for block in blocks]
        with torch.no_grad():
            ask(network, side)
        for hook in hooks:
            hook.remove()
        self.encoder = [self.maps[block] for block in network.encoder]
        self.decoder = [self.maps[block] for block in network.decoder]
        if isinstance(network, Feature2Image):
            self.encoder.insert(0, self.maps[network.stem])

    def _note(self, block: nn.Module, given: tuple[Tensor], made: Tensor) -> None:
        self.maps[block] = (given[0].clone(), made.clone())

    def sizes(self, part: Literal["encoder", "decoder"]) -> list[int]:
        return [made.shape[-1] for _, made in getattr(self, part)]

    def skips(self) -> list[int]:
        """Check that each decoder block takes (block before, encoder map); give the joined sizes.

        The encoder map must be *that* map, value for value, not only one of its size.
        """
        joined = []
        for (_, before), (given, _) in zip(self.decoder, self.decoder[1:], strict=False):
            assert torch.equal(given[:, : before.shape[1]], before)
            if given.shape[1] == before.shape[1]:
                continue
            rest = given[:, before.shape[1] :]
            twins = [m for _, m in self.encoder if m.shape == rest.shape and torch.equal(m, rest)]
            assert len(twins) == 1, "a skip is not exactly one map of the encoder"
            joined.append(rest.shape[-1])
        return joined


@pytest.mark.parametrize(("side", "downs", "ups"), [(256, 8, 7), (128, 7, 6)])
def test_the_literal_image2feature_counts_as_the_paper_does(
    side: int, downs: int, ups: int
) -> None:
    network = literal(side)
    assert len(network.encoder) == downs
    assert len(network.decoder) == ups
    assert len(convolutions(network)) == downs + ups
    for block in network.encoder:
        conv = convolutions(block)[0]
        assert isinstance(conv, nn.Conv2d)
        assert conv.stride == (2, 2)
    assert all(isinstance(convolutions(b)[0], nn.ConvTranspose2d) for b in network.decoder)
    seen = Seen(network, side)
    assert seen.sizes("encoder") == [side >> i for i in range(1, downs + 1)]
    assert seen.sizes("encoder")[-1] == 1
    assert seen.sizes("decoder") == [2**i for i in range(1, ups + 1)]
    assert seen.sizes("decoder")[-1] == side // 2
    assert seen.skips() == [2**i for i in range(1, ups)]


@pytest.mark.parametrize(("side", "depth"), [(256, 8), (128, 7)])
def test_the_mask_aware_image2feature_makes_the_whole_picture_with_aligned_skips(
    side: int, depth: int
) -> None:
    network = aware(side)
    assert (len(network.encoder), len(network.decoder)) == (depth, depth)
    seen = Seen(network, side)
    assert seen.encoder[0][0].shape[1] == 4
    assert seen.sizes("encoder") == [side >> i for i in range(1, depth + 1)]
    assert seen.sizes("decoder") == [2**i for i in range(1, depth + 1)]
    assert seen.skips() == [2**i for i in range(1, depth)]


@pytest.mark.parametrize(
    ("side", "downs", "ups", "skips"), [(128, 6, 7, 5), (256, 7, 8, 6), (512, 8, 9, 7)]
)
def test_feature2image_counts_as_the_paper_does(
    side: int, downs: int, ups: int, skips: int
) -> None:
    network = translator(side)
    assert network.stem.stride == (1, 1)
    assert all(cast(nn.Conv2d, convolutions(b)[0]).stride == (2, 2) for b in network.encoder)
    assert 1 + len(network.encoder) == downs
    assert len(network.decoder) == ups
    assert len(convolutions(network)) == downs + ups
    seen = Seen(network, side)
    assert seen.sizes("encoder") == [side // 4 >> i for i in range(downs)]
    assert seen.sizes("decoder") == [2**i for i in range(1, ups + 1)]
    assert seen.skips() == [2**i for i in range(1, skips + 1)]


@pytest.mark.parametrize(("stride", "ups", "skips"), [(2, 8, 7), (8, 8, 5)])
def test_feature2image_fits_the_maps_of_the_other_layers(stride: int, ups: int, skips: int) -> None:
    config = Feature2ImageConfig(side=256, in_channels=5, stride=stride, width=4, max_width=8)
    network = Feature2Image(config)
    assert len(network.decoder) == ups
    assert len(network.encoder) == skips
    image = network(torch.rand(2, 5, 256 // stride, 256 // stride))
    assert image.shape == (2, 3, 256, 256)


def test_widths_double_up_to_the_largest_as_in_pix2pix() -> None:
    with torch.device("meta"):
        wide = Image2Feature(Image2FeatureConfig(side=256))
    made = [cast(nn.Conv2d, convolutions(b)[0]).out_channels for b in wide.encoder]
    assert made == [64, 128, 256, 512, 512, 512, 512, 512]
    deconvolutions = [cast(nn.ConvTranspose2d, convolutions(b)[0]) for b in wide.decoder]
    assert [d.out_channels for d in deconvolutions] == [512, 512, 512, 512, 256, 128, 64, 3]
    assert [d.in_channels for d in deconvolutions] == [512, 1024, 1024, 1024, 1024, 512, 256, 128]


def test_the_upsampling_is_a_switch() -> None:
    resized, grown = (translator(upsampling=kind) for kind in ("resize", "deconvolution"))
    for block in layers_of(resized.decoder):
        assert [type(m) for m in block][1:3] == [nn.Upsample, nn.Conv2d]
        conv = cast(nn.Conv2d, block[2])
        assert (conv.kernel_size, conv.stride) == ((3, 3), (1, 1))
        assert cast(nn.Upsample, block[1]).mode == "nearest"
    for block in layers_of(grown.decoder):
        deconvolution = cast(nn.ConvTranspose2d, block[1])
        assert isinstance(deconvolution, nn.ConvTranspose2d)
        assert (deconvolution.kernel_size, deconvolution.stride) == ((4, 4), (2, 2))
    assert ask(grown, 256).shape == ask(resized, 256).shape == (2, 3, 256, 256)


@pytest.mark.parametrize("network", [literal(128), aware(128), translator(128)])
def test_a_block_is_activation_convolution_normalisation(network: Translator) -> None:
    encoder, decoder = layers_of(network.encoder), layers_of(network.decoder)
    for block in encoder[1:]:
        assert isinstance(block[0], nn.LeakyReLU)
        assert block[0].negative_slope == 0.2
        assert isinstance(block[1], nn.Conv2d)
        assert isinstance(block[2], (nn.BatchNorm2d, nn.Identity))
    assert all(isinstance(block[0], nn.ReLU) for block in decoder)
    for block in decoder[:-1]:
        assert isinstance(block[-1], nn.BatchNorm2d)
    assert isinstance(decoder[-1][-1], nn.Identity)


@pytest.mark.parametrize("network", [literal(128), aware(128), aware(norm="group"), translator()])
def test_no_map_of_one_cell_is_normalised(network: Translator) -> None:
    small = []

    def note(_: nn.Module, given: tuple[Tensor], __: Tensor) -> None:
        small.append(given[0].shape[-1])

    hooks = [m.register_forward_hook(note) for m in network.modules() if isinstance(m, NORMS)]
    ask(network, network.config.side)
    for hook in hooks:
        hook.remove()
    assert min(small) == 2


@pytest.mark.parametrize("norm", ["none", "batch", "group"])
def test_the_normalisation_is_a_switch(norm: Norm) -> None:
    kinds = {type(m) for m in aware(norm=norm).modules() if isinstance(m, NORMS)}
    assert kinds == {"none": set(), "batch": {nn.BatchNorm2d}, "group": {nn.GroupNorm}}[norm]


@pytest.mark.parametrize("width", [4, 12, 40])
def test_groups_fit_any_width(width: int) -> None:
    config = Feature2ImageConfig(side=64, in_channels=6, width=width, max_width=60, norm="group")
    groups = [m for m in Feature2Image(config).modules() if isinstance(m, nn.GroupNorm)]
    assert all(1 < m.num_groups <= 8 for m in groups)


@pytest.mark.parametrize("network", [literal(128), aware(128)])
def test_what_lies_in_the_hole_does_not_matter(network: Image2Feature) -> None:
    network.eval()
    picture, hole = torch.rand(1, 3, 128, 128), square_hole(128)
    other = torch.where(hole, torch.rand(1, 3, 128, 128), picture)
    broken = torch.where(hole, torch.nan, picture)
    with torch.no_grad():
        wanted = network(picture, hole).image
        assert torch.equal(network(other, hole).image, wanted)
        assert torch.equal(network(broken, hole).image, wanted)
        elsewhere = torch.where(hole, picture, torch.rand(1, 3, 128, 128))
        assert not torch.equal(network(elsewhere, hole).image, wanted)


def test_the_mask_aware_network_sees_the_hole_itself_not_only_its_grey() -> None:
    network = aware(128).eval()
    grey, hole = torch.full((1, 3, 128, 128), 0.5), square_hole(128)
    with torch.no_grad():
        assert not torch.equal(
            network(grey, hole).image, network(grey, torch.zeros_like(hole)).image
        )


@pytest.mark.parametrize("head", [False, True])
def test_the_feature_head_gives_a_map_of_a_quarter_of_the_side(head: bool) -> None:
    network = aware(64, head=head)
    guess = network(torch.rand(2, 3, 64, 64), square_hole(64, 2))
    assert guess.image.shape == (2, 3, 64, 64)
    if head:
        assert guess.features is not None
        assert guess.features.shape == (2, 256, 16, 16)
    else:
        assert guess.features is None


def test_the_feature_head_sees_the_decoder_and_its_skip() -> None:
    network = aware(64, head=True)
    seen = Seen(network, 64)
    given: list[Tensor] = []
    assert network.head is not None
    hook = network.head.register_forward_hook(lambda _, x, __: given.append(x[0]))
    ask(network, 64)
    hook.remove()
    assert given[0].shape[1:] == seen.decoder[4][0].shape[1:]  # what the next block takes


@pytest.mark.parametrize(
    "network",
    [
        literal(64),
        aware(64),
        aware(64, norm="group", head=True),
        translator(64),
        translator(64, upsampling="deconvolution"),
    ],
)
def test_every_parameter_of_a_translator_gets_a_gradient(network: Translator) -> None:
    initialise(network, torch.Generator().manual_seed(0))
    if isinstance(network, Image2Feature):
        image, features = network(torch.rand(2, 3, 64, 64), square_hole(64, 2))
        loss = image.square().sum() + (0 if features is None else features.square().sum())
    else:
        loss = ask(network, 64).square().sum()
    loss.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("norm", ["none", "batch", "spectral"])
@pytest.mark.parametrize("kind", [ImagePairDiscriminator, FeatureImageDiscriminator])
def test_every_parameter_of_a_discriminator_gets_a_gradient(
    kind: type[nn.Module], norm: Literal["none", "batch", "spectral"]
) -> None:
    network = kind(DiscriminatorConfig(width=4, norm=norm))
    initialise(network, torch.Generator().manual_seed(0))
    first = (2, 256, 16, 16) if kind is FeatureImageDiscriminator else (2, 3, 64, 64)
    network(torch.rand(first), torch.rand(2, 3, 64, 64)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("network", [literal(64), aware(64), translator(64)])
def test_pictures_lie_in_0_to_1_whatever_the_weights(network: Translator) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(30)
        image = ask(network, 64)
    assert image.min() >= 0
    assert image.max() <= 1
    assert image.max() - image.min() > 0.9  # both ends are reached


def test_a_picture_is_taken_in_0_to_1_and_centred() -> None:
    """Mid grey is 0 to the network, as the filler of the hole is."""
    network = aware(64).eval()
    hole = square_hole(64)
    seen: list[Tensor] = []
    hook = network.encoder[0].register_forward_hook(lambda _, given, __: seen.append(given[0]))
    network(torch.full((1, 3, 64, 64), 0.5), hole)
    network(torch.ones(1, 3, 64, 64), hole)
    hook.remove()
    assert seen[0][:, :3].abs().max() == 0
    assert torch.equal(seen[1][:, :3], (~hole).float().expand(1, 3, 64, 64))
    assert torch.equal(seen[1][:, 3:], hole.float())


@pytest.mark.parametrize("size", [(16, 16), (32, 16), (16, 48)])
def test_feature2image_takes_any_multiple_of_its_side(size: tuple[int, int]) -> None:
    network = translator(64).eval()
    with torch.no_grad():
        image = network(torch.rand(1, 6, *size))
    assert image.shape == (1, 3, 4 * size[0], 4 * size[1])


@pytest.mark.parametrize("size", [(17, 16), (16, 24), (8, 8)])
def test_feature2image_refuses_a_map_between_multiples(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=rf"map is \({size[0]}, {size[1]}\), want multiples of 16"):
        translator(64)(torch.rand(1, 6, *size))


def test_a_larger_map_is_translated_as_the_small_one_is_but_for_the_bottleneck() -> None:
    """Fully convolutional: the weights do not know the size."""
    network = translator(64).eval()
    assert ask(network, 128, batch=1).shape == (1, 3, 128, 128)
    assert ask(network, 64, batch=1).shape == (1, 3, 64, 64)


def pair_judge(norm: Literal["none", "batch", "spectral"] = "none") -> ImagePairDiscriminator:
    return ImagePairDiscriminator(DiscriminatorConfig(width=4, norm=norm))


def feature_judge(norm: Literal["none", "batch", "spectral"] = "none") -> FeatureImageDiscriminator:
    return FeatureImageDiscriminator(DiscriminatorConfig(width=4, norm=norm), in_channels=6)


def test_both_discriminators_give_30x30_logits_at_256() -> None:
    picture, features = torch.rand(1, 3, 256, 256), torch.rand(1, 6, 64, 64)
    assert pair_judge()(picture, picture).shape == (1, 1, 30, 30)
    assert feature_judge()(features, picture).shape == (1, 1, 30, 30)


def test_the_pair_discriminator_is_the_patch_discriminator_of_pix2pix() -> None:
    convs = [
        cast(nn.Conv2d, c) for c in convolutions(ImagePairDiscriminator(DiscriminatorConfig()))
    ]
    assert [c.in_channels for c in convs] == [6, 64, 128, 256, 512]
    assert [c.out_channels for c in convs] == [64, 128, 256, 512, 1]
    assert [c.stride[0] for c in convs] == [2, 2, 2, 1, 1]
    assert all(c.kernel_size == (4, 4) for c in convs)


def test_the_feature_discriminator_brings_the_picture_to_the_maps_size_then_joins() -> None:
    network = FeatureImageDiscriminator(DiscriminatorConfig())
    image = [cast(nn.Conv2d, c) for c in convolutions(network.image)]
    joint = [cast(nn.Conv2d, c) for c in convolutions(network.joint)]
    assert [(c.in_channels, c.out_channels, c.stride[0]) for c in image] == [
        (3, 64, 2),
        (64, 128, 2),
    ]
    assert [(c.in_channels, c.out_channels, c.stride[0]) for c in joint] == [
        (128 + 256, 256, 2),
        (256, 512, 1),
        (512, 1, 1),
    ]


@pytest.mark.parametrize("side", [32, 128])  # relu4_1 and relu2_1 of a picture of 256
def test_the_feature_discriminator_takes_maps_of_other_strides(side: int) -> None:
    judge, image = feature_judge(), torch.rand(1, 3, 256, 256)
    one, other = (judge(torch.rand(1, 6, side, side), image) for _ in range(2))
    assert one.shape == (1, 1, 30, 30)
    assert not torch.equal(one, other)


def test_a_logit_of_the_pair_discriminator_sees_70_pixels() -> None:
    network = pair_judge()
    incomplete = torch.rand(1, 3, 256, 256, requires_grad=True)
    image = torch.rand(1, 3, 256, 256, requires_grad=True)
    network(incomplete, image)[0, 0, 15, 14].backward()
    for given in (incomplete, image):
        assert given.grad is not None
        seen = given.grad.abs().sum(dim=(0, 1)) > 0
        for along in (seen.any(dim=0), seen.any(dim=1)):
            places = along.nonzero()
            assert int(places.max() - places.min()) + 1 == 70


@pytest.mark.parametrize("norm", ["none", "batch", "spectral"])
def test_discriminators_give_logits_of_either_sign_and_depend_on_both_inputs(
    norm: Literal["none", "batch", "spectral"],
) -> None:
    torch.manual_seed(0)
    picture, other = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    features = torch.rand(2, 6, 16, 16)
    for judge, first, changed in (
        (pair_judge(norm).eval(), picture, other),
        (feature_judge(norm).eval(), features, features.flip(2)),
    ):
        logits = judge(first, picture)
        assert not torch.equal(judge(changed, picture), logits)
        assert not torch.equal(judge(first, other), logits)
        with torch.no_grad():
            for parameter in list(judge.parameters())[-1:]:  # the last bias
                parameter.add_(100)
        assert judge(first, picture).min() > 1  # no sigmoid


def test_spectral_normalisation_bounds_the_gain_of_a_layer() -> None:
    network = pair_judge("spectral")
    initialise(network, torch.Generator().manual_seed(0))
    for _ in range(20):  # one power iteration a pass
        network(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64))
    for conv in convolutions(network)[1:-1]:
        weight = cast(Tensor, conv.weight).detach().flatten(1)
        assert torch.linalg.matrix_norm(weight, 2) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    "build",
    [
        lambda: aware(64, head=True),
        lambda: translator(64, upsampling="deconvolution"),
        pair_judge,
        lambda: pair_judge("spectral"),
        lambda: feature_judge("spectral"),
    ],
)
def test_a_seed_alone_decides_every_starting_weight(build: "type[nn.Module]") -> None:
    states = []
    for seed, noise in ((1, 10), (1, 11), (2, 10)):
        torch.manual_seed(noise)  # what a constructor draws from
        network = build()
        initialise(network, torch.Generator().manual_seed(seed))
        states.append(network.state_dict())
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name]), name
    assert any(not torch.equal(t, states[2][name]) for name, t in states[0].items())


def test_starting_weights_keep_the_spread_of_what_passes() -> None:
    """He's deviation: a ReLU halves the power, the next layer gives it back."""
    x = torch.randn(1, 64, 32, 32).relu()
    torch.manual_seed(0)
    for layer in (
        nn.Conv2d(64, 64, 3, padding=1, padding_mode="circular"),
        nn.ConvTranspose2d(64, 64, 4, stride=2, padding=1),
    ):
        initialise(layer, torch.Generator().manual_seed(0))
        assert cast(Tensor, layer.bias).abs().max() == 0
        out = layer(x)[..., 2:-2, 2:-2]  # inside the deconvolution's rim
        assert out.detach().square().mean() == pytest.approx(1.0, rel=0.15)


def weights_of(table: list[tuple[int, int]], side: int) -> int:
    return sum(c_in * c_out * side**2 + c_out for c_in, c_out in table)


def test_parameters_count_as_the_papers_table_of_layers_does() -> None:
    down = [(64, 128), (128, 256), (256, 512)] + [(512, 512)] * 4
    up = [(512, 512)] + [(1024, 512)] * 3 + [(1024, 256), (512, 128), (256, 3)]
    normed = [128, 256] + [512] * 4 + [512] * 4 + [256, 128]
    with torch.device("meta"):
        network = Image2Feature(Image2FeatureConfig(side=256, mask_aware=False))
    assert parameter_count(network) == weights_of([(3, 64), *down, *up], 4) + 2 * sum(normed)

    down = [(64, 128), (128, 256), (256, 512)] + [(512, 512)] * 3
    up = [(512, 512)] + [(1024, 512)] * 2 + [(1024, 256), (512, 128), (256, 64)]
    up += [(128, 32), (32, 3)]
    normed = [128, 256] + [512] * 3 + [512] * 3 + [256, 128, 64, 32]
    with torch.device("meta"):
        network2 = Feature2Image(Feature2ImageConfig(side=256))
    wanted = weights_of([(256, 64), *up], 3) + weights_of(down, 4) + 2 * sum(normed)
    assert parameter_count(network2) == wanted

    table = [(6, 64), (64, 128), (128, 256), (256, 512), (512, 1)]
    with torch.device("meta"):
        judge = ImagePairDiscriminator(DiscriminatorConfig())
    assert parameter_count(judge) == weights_of(table, 4) + 2 * (128 + 256 + 512)


def test_an_untrained_feature_head_gives_vectors_of_about_unit_length() -> None:
    network = aware(64, norm="group", head=True)
    initialise(network, torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = network(torch.rand(4, 3, 64, 64), square_hole(64, 4)).features
    assert features is not None
    assert 0.4 < float(features.norm(dim=1).mean()) < 2.5


def test_a_smooth_fill_keeps_the_known_and_continues_it() -> None:
    ramp = torch.linspace(0, 1, 32).expand(1, 3, 32, 32).clone()
    hole = torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    hole[:, :, 10:20, 12:22] = True
    filled = smooth_fill(torch.where(hole, 9.0, ramp), hole)
    known = ~hole.expand_as(ramp)
    assert torch.equal(filled[known], ramp[known])
    assert float((filled - ramp).abs().max()) < 0.12  # grey would be off by 0.25 and more
    assert float(filled[0, 0, 15, 13] - filled[0, 0, 15, 20]) < -0.1  # it rises as the ramp does


def test_a_smooth_fill_of_nothing_known_is_black() -> None:
    everything = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    assert not smooth_fill(torch.rand(1, 3, 8, 8), everything).any()


def test_with_the_membrane_an_untrained_answer_of_nothing_is_the_smooth_fill() -> None:
    config = Image2FeatureConfig(side=32, width=4, max_width=8, norm="none", membrane=True)
    network = Image2Feature(config)
    for parameter in network.decoder[-1].parameters():
        torch.nn.init.zeros_(parameter)
    image, hole = torch.rand(1, 3, 32, 32), torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    hole[:, :, 8:20, 8:20] = True
    guess = network(image, hole).image
    torch.testing.assert_close(guess, smooth_fill(image, hole), atol=3e-3, rtol=0)


def test_the_membrane_needs_the_whole_picture() -> None:
    with pytest.raises(ConfigError, match="membrane need mask_aware"):
        Image2FeatureConfig.read({"mask_aware": False, "membrane": True}, "test")
