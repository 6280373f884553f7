r"""The paper's ablations (section 4.3, Fig. 7 and 8), all of one budget: train, fill, judge.

    python benchmarks/ablations.py photos/ --sources train.tar --vgg vgg19_relu3_1.safetensors \
        -o runs/ablations
    python benchmarks/ablations.py ... --side 128 --steps 20000 --width 64 --rate 2e-4   # a GPU's

Each row is a file of configs/ at one scale: squares of `--side` pixels, the same ones in the same
order, networks of one width. What two rows share is trained once, and what is done is not done
again. OUT/report/report.html has the figures; `benchmarks/strips.py` shows rows side by side.
relu4_1 is left out where the weights end below it, as those of `--vgg` may.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from swapfill.config import COARSEST, FillSettings
from swapfill.encoder import VGG19
from swapfill.errors import BundleError
from swapfill.evaluation.methods.interface import Wanted
from swapfill.evaluation.run import Job, evaluate
from swapfill.evaluation.settings import EvaluateSettings
from swapfill.evaluation.tables import text_of
from swapfill.training.allocator import keep_memory
from swapfill.training.bundling import make_bundle
from swapfill.training.chain import load_chain
from swapfill.training.loop import Interrupted
from swapfill.training.run_folder import finished
from swapfill.training.session import train
from swapfill.training.settings import TrainSettings
from swapfill.weights import read_tensors, save_from

_CONFIGS = Path(__file__).parents[1] / "configs"


@dataclass(frozen=True)
class Row:
    """A row of the table: the file of configs/ that trains it, and how often G_2 goes again."""

    name: str
    config: str
    layer: str = "relu3_1"
    refine: int = 0


ROWS = (
    Row("baseline", "truth"),  # resize-convolution, both losses, a U-Net, the truth asks
    Row("deconvolution", "deconvolution"),
    Row("no-adversarial", "no-adversarial"),
    Row("relu2-1", "relu2-1", layer="relu2_1"),
    Row("relu4-1", "relu4-1", layer="relu4_1"),
    Row("resnet", "resnet"),
    Row("initialiser", "context-encoder"),  # a row of its method's name would want a run
    Row("predictions", "predictions"),
    Row("mixture", "mixture"),
    Row("iterated-once", "truth", refine=1),
    Row("iterated-twice", "truth", refine=2),
)


def main() -> None:
    """Parse, train, judge, print."""
    parser = _parser()
    asked = parser.parse_args()
    keep_memory()
    try:
        bundles = _bundles(asked)
    except Interrupted as stopped:
        parser.exit(1, f"{stopped}\n")
    print(text_of(_judge(asked, bundles)))


def _bundles(asked: argparse.Namespace) -> dict[str, Path]:
    """Train what is not trained yet; give the bundles by their rows."""
    trained, bundles = Trained(asked.output / "trained"), dict[str, Path]()
    for row in ROWS:
        try:
            encoder = _encoder(asked.vgg, row.layer, asked.output)
        except BundleError as error:
            print(f"{row.name} is left out: {error}", flush=True)
            continue
        runs = _trained(row, _overrides(row, asked, encoder), trained)
        bundles[row.name] = asked.output / "bundles" / row.name
        fill = FillSettings(scales=(COARSEST,), matching="literal", refine=row.refine)
        make_bundle(bundles[row.name], row.name, runs, fill)
    return bundles


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="pictures to judge: a folder, a list or a tar file")
    parser.add_argument("--sources", nargs="+", required=True, help="photographs to learn from")
    parser.add_argument("--vgg", type=Path, required=True, help="VGG-19, safetensors")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--side", type=int, default=64, help="pixels of the squares")
    parser.add_argument("--steps", type=int, default=100, help="of each network")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--width", type=int, default=16, help="the paper's is 64")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    return parser


def _encoder(vgg: Path, layer: str, folder: Path) -> Path:
    """Give weights that end with a layer, cut out of those of the file."""
    path = folder / f"vgg19_{layer}.safetensors"
    network, held = VGG19(layer), read_tensors(vgg)
    missing = next((name for name in network.state_dict() if name not in held), None)
    if missing is not None:
        raise BundleError(f"{vgg}: tensor {missing} is missing, want VGG-19 up to {layer}")
    network.load_state_dict({name: held[name] for name in network.state_dict()})
    folder.mkdir(parents=True, exist_ok=True)
    save_from(network, path)
    return path


def _overrides(row: Row, asked: argparse.Namespace, encoder: Path) -> list[str]:
    """Give what makes a preset small, every one alike."""
    thin, deep = asked.width, 8 * asked.width
    widths = {"image2feature": (thin, deep), "feature2image": (thin, deep)}
    half = asked.steps // 2  # a mixture has two phases, and one budget
    phases = {2: half, 3: asked.steps - half} if row.name == "mixture" else {}
    return [
        f"data.sources={asked.sources}",
        "data.validation=[]",
        "data.keep=decoded",
        f"data.cache={asked.cache}",
        f"data.side={asked.side}",
        f"encoder_weights={encoder}",
        *(f"{name}.side={asked.side}" for name in widths),
        *(f"{name}.width={width}" for name, (width, _) in widths.items()),
        *(f"{name}.max_width={most}" for name, (_, most) in widths.items()),
        f"image2feature.bottleneck={4000 * thin // 64}",
        f"discriminator.width={thin}",
        f"optim.steps={asked.steps}",
        f"optim.batch_size={asked.batch}",
        f"optim.learning_rate={asked.rate}",
        f"optim.device={asked.device}",
        *(f"stages.{number}.optim.steps={steps}" for number, steps in phases.items()),
        "validation.samples=0",
        "validation.patience=0",
    ]


def _trained(row: Row, overrides: list[str], trained: "Trained") -> dict[str, Path]:
    """Train a row's stages that are of the first scale; give their runs by the bundle's parts."""
    config, runs = _CONFIGS / f"ablation-{row.config}.toml", dict[str, Path]()
    links = load_chain(config, overrides, Path("unused")).links
    for number in _first_scale(config):
        settings = links[number].settings
        changed: dict[str, Path] = {}
        if settings.stage == "feature2image":
            changed["image2feature_weights"] = runs["image2feature"] / "network.safetensors"
        if settings.stage in runs:  # the second phase of a network
            changed["initial_weights"] = runs[settings.stage] / "network.safetensors"
        name = f"{row.name}-{number + 1}-{settings.stage}"
        runs[settings.stage] = trained.run(settings.model_copy(update=changed), name)
    return runs


def _first_scale(config: Path) -> Iterator[int]:
    """Number the stages of a preset that Image2Feature's scale needs."""
    stages = [link.settings for link in load_chain(config, [], Path("unused")).links]
    least = min(s.feature2image.side for s in stages if s.stage == "feature2image")
    for number, one in enumerate(stages):
        if one.stage != "feature2image" or one.feature2image.side == least:
            yield number


class Trained:
    """Runs by their settings: what two rows share is trained once."""

    def __init__(self, folder: Path) -> None:
        """Take the folder of all runs."""
        self._folder, self._runs = folder, dict[str, Path]()

    def run(self, settings: TrainSettings, name: str) -> Path:
        """Train, unless that is done; give the run's folder, named for the first row of it."""
        key = self._key(settings)
        folder = self._runs.setdefault(key, self._folder / name)
        if not finished(folder, settings):
            print(
                f"{name}: {settings.optim.steps} steps of {settings.optim.batch_size}", flush=True
            )
            train(settings, folder, lambda progress: None, print)
        return folder

    def _key(self, settings: TrainSettings) -> str:
        """Say what the weights depend on: where the truth asks, no translator sees a guess."""
        unseen = {"feature2image", "query"}
        if settings.stage == "feature2image":
            asked = settings.query.prediction
            unseen = set() if asked else {"image2feature", "image2feature_weights"}
        return settings.model_dump_json(exclude=unseen)


def _judge(asked: argparse.Namespace, bundles: dict[str, Path]) -> dict[str, object]:
    job = Job(
        data=asked.data,
        folder=asked.output / "report",
        methods=[f"{name}={folder}" for name, folder in bundles.items()],
        results=[],
        masks=None,
        vgg=asked.vgg,
        also=[],
        settings=EvaluateSettings(size=COARSEST),
        given=Wanted("", device=asked.device, precision="fp32"),
        command="benchmarks/ablations.py",
    )
    return evaluate(job, on_progress=lambda done, of_all: None, say=print)


if __name__ == "__main__":
    main()
