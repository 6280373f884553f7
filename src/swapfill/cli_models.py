"""`swapfill models`: what is installed, what it is made of, whether it is whole; as ONNX."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swapfill.cli_options import AsJson
from swapfill.cli_terminal import bar

if TYPE_CHECKING:
    from swapfill.bundle import Bundle

app = typer.Typer(help="List, show, verify and export models.", rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="A packaged model's name, or a bundle's folder.")]


@app.callback(invoke_without_command=True)
def _start(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the packaged models and the presets."""
    from swapfill.bundle import Bundle, available
    from swapfill.presets import PRESETS

    bundles = {name: Bundle.open(name) for name in available()}
    configs = {name: bundle.config for name, bundle in bundles.items()}
    rows = [
        {"name": name, "packaged": name in bundles, "description": config.description}
        for name, config in (PRESETS | configs).items()
    ]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        state = "packaged" if row["packaged"] else "no weights"
        typer.echo(f"{row['name']:<12} {state:<11} {row['description']}")


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show a model's networks, their sizes, and how it fills by default."""
    found = describe(name)
    if as_json:
        typer.echo(json.dumps(found))
        return
    typer.echo(f"{found['name']}: {found['description']}\n{found['folder'] or 'no weights here'}")
    for part, told in found["networks"].items():
        size = "" if told["bytes"] is None else f"{told['bytes'] / 1e6:8.1f} MB"
        typer.echo(f"  {part:<30} {told['parameters']:>12,} parameters {size}")
    for setting, value in _flat(found["config"]):
        typer.echo(f"  {setting} = {value}")


@app.command()
def verify(name: Name) -> None:
    """Check every file's checksum, and that each tensor is the one its network wants."""
    from swapfill.bundle import Bundle
    from swapfill.engines import load_engine

    with bar(f"verifying {name}"):
        bundle = Bundle.open(name)
        names = bundle.verify()
        load_engine("auto", bundle, "cpu", "fp32")
    typer.echo(f"{bundle.folder}: whole, {len(names)} files checked: {', '.join(names)}")


@app.command()
def export(
    name: Name,
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder to write into.")],
    as_json: AsJson = False,
) -> None:
    """Write a model's networks and patch-swap as ONNX files, for other programs."""
    from swapfill.bundle import Bundle
    from swapfill.engines.onnx_export import export as write

    with bar(f"exporting {name}"):
        files = write(Bundle.open(name), output)
    if as_json:
        typer.echo(json.dumps({path.name: path.stat().st_size for path in files}))
        return
    for path in files:
        typer.echo(f"{path.stat().st_size / 1e6:8.1f} MB  {path}")


def describe(name: str) -> dict[str, Any]:
    """Tell a model's config, and for each network its parameters and the size of its file.

    Args:
        name: a packaged model, a bundle's folder, or a preset of which no weights are here.

    Raises:
        BundleError: it is none of these, or is damaged.
    """
    from swapfill.bundle import Bundle, available
    from swapfill.engines.network_sizes import parameters
    from swapfill.presets import PRESETS

    bundle = Bundle.open(name) if name in available() or name not in PRESETS else None
    config = PRESETS[name] if bundle is None else bundle.config
    networks = {
        part: {"parameters": count, "bytes": _bytes(bundle, part)}
        for part, count in parameters(config).items()
    }
    return {
        "name": config.name,
        "description": config.description,
        "folder": None if bundle is None else str(bundle.folder),
        "networks": networks,
        "config": config.model_dump(mode="json"),
    }


def _bytes(bundle: "Bundle | None", part: str) -> int | None:
    if bundle is None or part not in bundle.parts():
        return None
    return bundle.weights(part).stat().st_size


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Give nested settings as dotted names."""
    rows: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name}.")
        elif prefix:
            rows.append((f"{prefix}{name}", value))
    return rows
