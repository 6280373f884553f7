"""The methods that can be judged. A new one is a file here, and its line in the table below."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from swapfill.errors import ConfigError
from swapfill.evaluation.methods import (
    bundles,
    classical,
    context_encoder,
    glcic,
    neural_patch,
    patchmatch,
)
from swapfill.evaluation.methods.interface import Method, Wanted

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        bundles.DEFAULT,
        bundles.PAPER,
        bundles.GUESS,
        context_encoder.CONTEXT_ENCODER,
        neural_patch.NEURAL_PATCH,
        glcic.GLCIC,
        classical.TELEA,
        classical.NAVIER_STOKES,
        classical.BIHARMONIC,
        patchmatch.PATCHMATCH,
        classical.MEAN,
    )
}


def find(names: Sequence[str], given: Wanted) -> list[tuple[Method, Wanted]]:
    """Look up methods by what `--methods` has: `telea`, `paper=FOLDER`, `mine=FOLDER`.

    Args:
        names: as typed; a name with a folder that is no method's is a row of its own, of a bundle.
        given: what the command says of all of them; `model` goes to those that take one, and
            an option called `neural-patch.iterations` to the row of that name.

    Raises:
        ConfigError: a method is unknown (the list is given), takes no folder, or has no such
            setting; a setting is of no method that is asked for.
    """
    found = [_find(name.strip(), given) for name in names]
    rows = {wanted.name for _, wanted in found}
    for option in given.options:
        if option.partition(".")[0] not in rows:
            raise ConfigError(f"--set {option}: no such method is asked for, want METHOD.SETTING")
    return found


def _find(typed: str, given: Wanted) -> tuple[Method, Wanted]:
    name, _, folder = typed.partition("=")
    method = METHODS.get(name)
    if method is None and folder:
        method = bundles.OWN
    if method is None:
        choices = ", ".join(METHODS)
        raise ConfigError(f"method {name!r} is unknown, want {choices}, or NAME=FOLDER of a bundle")
    if folder and not (method.takes_model or method.takes_run):
        raise ConfigError(f"method {name} takes no folder, want another name for {folder}")
    model = folder or (given.model if method.takes_model else None)
    options = _options(method, name, given)
    return method, replace(given, name=name, model=model or None, options=options)


def _options(method: Method, name: str, given: Wanted) -> dict[str, Any]:
    """Give the row's own options, checked, by the names of its method's settings."""
    mine = {key: value for key, value in given.options.items() if key.partition(".")[0] == name}
    own = {key.partition(".")[2]: value for key, value in mine.items()}
    if own and method.settings is None:
        raise ConfigError(f"--set {next(iter(mine))}: method {method.name} has no settings")
    if method.settings is not None:
        method.settings.read(own, f"--set {name}")
    return own
