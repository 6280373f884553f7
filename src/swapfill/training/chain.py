"""Several stages from one file, one after the other, to a bundle.

The file's own tables are shared by all stages; a `[[stages]]` entry has the same names and wins.
Beside these it may say `goes_on = true`: it takes up the state of the phase before it (its step,
optimisers and averages), where else it would start from that phase's weights alone. A file whose
`base` names another, beside it, changes only what it says; its stages, if it has some, replace all.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swapfill.config import FillSettings, Settings
from swapfill.errors import ConfigError
from swapfill.files import write_atomically
from swapfill.training.bundling import make_bundle
from swapfill.training.run_folder import finished, write_settings
from swapfill.training.settings import TrainSettings, apply, read_toml


class ChainSettings(Settings):
    """What is said about the chain as a whole."""

    name: str  # of the bundle
    description: str = ""  # one line of it, for `swapfill models show`
    notes: str = ""  # Markdown that ends the bundle's card
    fill: FillSettings = FillSettings()  # how the networks are best used together


@dataclass(frozen=True)
class Link:
    """One stage of a chain, and where it trains."""

    settings: TrainSettings
    folder: Path
    before: Path | None  # the folder of the phase whose state it goes on from


@dataclass(frozen=True)
class Chain:
    """Stages in the order in which they train."""

    settings: ChainSettings
    links: tuple[Link, ...]
    folder: Path

    def run(self, train: Callable[[Link], object], *, leads: bool = True) -> Path:
        """Train what is not finished yet, then write the bundle.

        Args:
            train: trains one stage in its folder, to its end; of several processes none begins
                before each has called it, nor goes on before all is written.
            leads: whether this process is the one that writes.

        Returns:
            The bundle's folder.
        """
        for link in self.links:
            if finished(link.folder, link.settings):
                if leads:
                    write_settings(link.folder, link.settings)  # refused if they are others
                continue
            if leads:
                _take_up(link)
            train(link)
        bundle, about = self.folder / "bundle", self.settings
        if leads:
            make_bundle(
                bundle,
                about.name,
                self.parts(),
                about.fill,
                description=about.description,
                notes=about.notes,
            )
        return bundle

    def parts(self) -> dict[str, Path]:
        """Give the folder of the last phase of each part of the bundle, by the part's name."""
        translators = [x.settings for x in self.links if x.settings.stage == "feature2image"]
        shared = len({settings.feature2image for settings in translators}) < 2
        return {_part(link.settings, shared=shared): link.folder for link in self.links}


def is_chain(path: Path) -> bool:
    """Tell a file of several stages from that of one.

    Raises:
        ConfigError: it is missing or no TOML.
    """
    return "stages" in _read(path)


def load_chain(path: Path, overrides: list[str], folder: Path) -> Chain:
    """Read a chain; the weights that a stage needs of an earlier one are looked for in its folder.

    Args:
        path: of the TOML file.
        overrides: `name=value` for every stage, `stages.2.name=value` for the second alone,
            `name=...` and `fill....=...` for the bundle.
        folder: of the whole run; stages train in its folders 1-encoder, 2-image2feature, ...

    Raises:
        ConfigError: the file is missing or no TOML, a setting is refused, or a bundle would lack a
            part.
    """
    values = _read(path)
    stages = values.pop("stages", None)
    if not (isinstance(stages, list) and stages and all(isinstance(s, dict) for s in stages)):
        raise ConfigError(f"{path}: stages are not [[stages]] tables, want at least one")
    ours = [text for text in overrides if _is_about_chain(text)]
    for override in ours:
        apply(values, override)
    about = {name: values.pop(name) for name in ChainSettings.model_fields if name in values}
    tables = [_merged(values, stage) for stage in stages]
    for override in overrides:
        if override not in ours:
            _apply_to_stages(tables, override)
    links: list[Link] = []
    for number, table in enumerate(tables, 1):
        links.append(_link(table, number, links, folder, f"{path}: stages.{number}"))
    _check_whole(links, path)
    return Chain(ChainSettings.read(about, str(path)), tuple(links), folder)


def _read(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Read a file laid over its base, and that over its own."""
    values = read_toml(path)
    base = values.pop("base", None)
    if base is None:
        return values
    if not isinstance(base, str) or path.resolve() in above:
        raise ConfigError(f"{path}: base is {base!r}, want another file, not this one in a circle")
    return _merged(_read(path.parent / base, (*above, path.resolve())), values)


def _is_about_chain(override: str) -> bool:
    return override.partition("=")[0].partition(".")[0] in ChainSettings.model_fields


def _apply_to_stages(tables: list[dict[str, Any]], override: str) -> None:
    head, _, rest = override.partition(".")
    if head != "stages":
        for table in tables:
            apply(table, override)
        return
    number, _, rest = rest.partition(".")
    if not number.isdecimal() or not 1 <= int(number) <= len(tables):
        raise ConfigError(f"override {override!r}: want stages.1 to stages.{len(tables)}")
    apply(tables[int(number) - 1], rest)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one tree of tables over another; neither changes."""
    found = {k: _merged(v, {}) if isinstance(v, dict) else v for k, v in below.items()}
    for name, value in above.items():
        under = found.get(name)
        if isinstance(value, dict):
            found[name] = _merged(under if isinstance(under, dict) else {}, value)
        else:
            found[name] = value
    return found


def _link(
    table: dict[str, Any], number: int, earlier: list[Link], folder: Path, where: str
) -> Link:
    goes_on = table.pop("goes_on", False)
    for name, stage in (
        ("encoder_weights", "encoder"),
        ("image2feature_weights", "image2feature"),
    ):
        trained = [x for x in earlier if x.settings.stage == stage]
        if trained:
            table.setdefault(name, str(_weights(trained[-1])))
    settings = TrainSettings.read(table, where)
    if settings.encoder.kind == "vgg19" and settings.encoder_weights is None:
        settings = settings.model_copy(update={"encoder_weights": settings.vgg})
    phases = [x for x in earlier if _part(x.settings) == _part(settings)]
    if goes_on and not phases:
        raise ConfigError(f"{where}.goes_on: no earlier stage trains this network, want one")
    if phases and not goes_on and settings.initial_weights is None:
        settings = settings.model_copy(update={"initial_weights": _weights(phases[-1])})
    before = phases[-1].folder if goes_on else None
    return Link(settings, folder / f"{number}-{settings.stage}", before)


def _part(settings: TrainSettings, *, shared: bool = False) -> str:
    """Name what a stage trains, as a bundle does."""
    one = settings.stage != "feature2image" or shared
    return settings.stage if one else f"feature2image-{settings.feature2image.side}"


def _weights(link: Link) -> Path:
    return link.folder / link.settings.weights_file


def _check_whole(links: list[Link], path: Path) -> None:
    for stage in ("image2feature", "feature2image"):
        if not any(link.settings.stage == stage for link in links):
            raise ConfigError(f"{path}: stages have no {stage}, want one to make a bundle")
    for number, link in enumerate(links, 1):
        if link.settings.stage != "encoder" and link.settings.encoder_weights is None:
            raise ConfigError(
                f"{path}: stages.{number}: encoder_weights is missing, want a stage of the encoder "
                "before it, or a file"
            )


def _take_up(link: Link) -> None:
    """Begin a phase with the state of the one before it."""
    state = link.folder / "state.pt"
    if link.before is None or state.exists():
        return
    link.folder.mkdir(parents=True, exist_ok=True)
    with (link.before / "state.pt").open("rb") as found:
        write_atomically(state, lambda out: shutil.copyfileobj(found, out))
