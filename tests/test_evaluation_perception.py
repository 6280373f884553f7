from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics.functional.image import lpips as torchmetrics_lpips

from evaluation_files import boxed, drawn
from swapfill.encoder import VGG19
from swapfill.errors import BundleError
from swapfill.evaluation import perception, published
from swapfill.evaluation.perception import ALEXNET_URL, Lpips, VggDistance
from swapfill.weights import save_from

CPU = torch.device("cpu")


@pytest.fixture
def vgg() -> VGG19:
    """A VGG-19 with random weights."""
    torch.manual_seed(0)
    return VGG19("relu3_1")


def by_the_projects_judge(
    weights: dict[str, Tensor], truth: Tensor, filled: Tensor, hole: Tensor
) -> float:
    """The formula of the project's score.py, written anew; pictures [3, H, W] in [0, 1]."""
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)

    def layers(picture: Tensor) -> list[Tensor]:
        x, kept = ((picture - mean) / deviation)[None], []
        for key, keep, pool in (("0", 0, 0), ("2", 1, 1), ("5", 0, 0), ("7", 1, 1), ("10", 1, 0)):
            x = F.pad(x, (1, 1, 1, 1), mode="reflect")
            x = F.conv2d(x, weights[f"features.{key}.weight"], weights[f"features.{key}.bias"])
            x = F.relu(x)
            if keep:
                kept.append(F.normalize(x, dim=1))
            x = F.max_pool2d(x, 2) if pool else x
        return kept

    found = []
    for a, b in zip(layers(truth), layers(filled), strict=True):
        share = F.interpolate(hole[None, None].float(), a.shape[2:], mode="area")
        found.append((((a - b) ** 2).sum(1, keepdim=True) * share).sum() / share.sum())
    return float(sum(found) / 3)


def test_the_vgg_distance_is_that_of_the_projects_judge(vgg: VGG19) -> None:
    truth, filled, hole = drawn(1), drawn(2), boxed()
    found = VggDistance(vgg, {}, CPU)(truth, filled, hole)
    a, b = (torch.from_numpy(x).permute(2, 0, 1) / 255 for x in (truth, filled))
    wanted = by_the_projects_judge(vgg.state_dict(), a, b, torch.from_numpy(hole))
    assert found == pytest.approx(wanted, rel=1e-5)
    assert found > 0


@pytest.mark.parametrize("side", [160, 158])  # 158: cells of the last layer that the edge cuts
def test_only_what_the_hole_sees_is_encoded(vgg: VGG19, side: int) -> None:
    truth, filled, hole = drawn(1, side, side), drawn(2, side, side), boxed(side, side)
    hole[:] = False
    hole[51:90, 70:101] = True
    sizes: list[tuple[int, ...]] = []
    vgg.features["10"].register_forward_hook(lambda _, given, __: sizes.append(given[0].shape[2:]))
    found = VggDistance(vgg, {}, CPU)(truth, filled, hole)
    a, b = (torch.from_numpy(x).permute(2, 0, 1) / 255 for x in (truth, filled))
    wanted = by_the_projects_judge(vgg.state_dict(), a, b, torch.from_numpy(hole))
    assert found == pytest.approx(wanted, rel=1e-5)
    assert (sizes[0][0] * 4 < 100) == (side == 160)


def test_the_vgg_distance_names_its_weights(vgg: VGG19, tmp_path: Path) -> None:
    path = tmp_path / "vgg.safetensors"
    save_from(vgg, path)
    source = VggDistance.load(path, CPU).source
    assert source["file"] == "vgg.safetensors"
    assert len(source["sha256"]) == 64


def test_weights_that_are_nowhere_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perception, "cached_file", lambda: tmp_path / "vgg19-dcbb9e9d.pth")
    with pytest.raises(BundleError, match=r"vgg19-dcbb9e9d\.pth is not there, want --vgg FILE"):
        VggDistance.load(None, CPU)


def alexnet() -> nn.Sequential:
    """torchvision's alexnet().features."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
    )


def test_lpips_is_torchmetrics_own_above_the_same_alexnet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    features = alexnet()
    tensors = {f"features.{key}": value for key, value in features.state_dict().items()}
    monkeypatch.setattr(perception, "published", lambda url: tensors)
    monkeypatch.setattr(
        torchmetrics_lpips, "_get_tv_model_features", lambda net, pretrained: features
    )
    theirs = torchmetrics_lpips._NoTrainLpips(net="alex")
    truth, filled = drawn(1), drawn(2)
    pair = [torch.from_numpy(x).permute(2, 0, 1)[None] / 255 for x in (truth, filled)]
    wanted = float(theirs(*pair, normalize=True))
    assert Lpips.load().distance(truth, filled) == pytest.approx(wanted, rel=1e-5)
    assert wanted > 0


def test_pictures_of_the_smallest_size_have_an_lpips() -> None:
    assert Lpips().distance(drawn(1, 32, 32), drawn(2, 32, 32)) == 0  # of heads that are zero


def test_published_weights_that_cannot_be_had_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(BundleError) as caught:
        published.published(ALEXNET_URL)
    line = str(caught.value)
    assert str(tmp_path / "checkpoints" / "alexnet-owt-7be5be79.pth") in line
    assert ALEXNET_URL in line
    assert "\n" not in line


def test_published_weights_are_read_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    path = tmp_path / "checkpoints" / "alexnet-owt-7be5be79.pth"
    path.parent.mkdir()
    torch.save({"x": torch.ones(2)}, path)
    assert torch.equal(published.published(ALEXNET_URL)["x"], torch.ones(2))
    path.write_bytes(b"no tensors")
    with pytest.raises(BundleError, match=r"alexnet-owt-7be5be79\.pth: damaged: "):
        published.published(ALEXNET_URL)


def test_a_tensor_that_does_not_fit_is_named() -> None:
    network = nn.Linear(2, 3)
    with pytest.raises(BundleError, match=r"x\.pth: tensor bias is missing, want \(3,\)"):
        published.fitted(network, {"weight": torch.zeros(3, 2)}, "x.pth")
    with pytest.raises(BundleError, match=r"tensor weight is \(1,\), want \(3, 2\)"):
        published.fitted(network, {"weight": torch.zeros(1)}, "x.pth")
