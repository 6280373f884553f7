"""Style transfer of a folder of pictures: the same tree, names and formats."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from swapfill.errors import ImageError, OutputError, SwapfillError
from swapfill.formats import SUFFIXES
from swapfill.images import Photograph
from swapfill.style import Stylist


@dataclass
class FolderReport:
    """What became of a folder's pictures, as paths relative to it."""

    done: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    failed: dict[Path, str] = field(default_factory=dict)


def stylize_folder(
    stylist: Stylist,
    contents: Path,
    styles: Sequence[Path],
    output: Path,
    *,
    weights: Sequence[float] | None = None,
    quality: int | None = None,
    force: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> FolderReport:
    """Give every picture below a folder a style.

    One that fails is reported, and the others go on. A picture whose result is there already is
    skipped, so that a run that was ended goes on where it was.

    Args:
        stylist: does the work.
        contents: the folder.
        styles: picture files.
        output: another folder; it is made, and the tree below it.
        weights: of the styles.
        quality: of JPEG and WebP; None keeps that of each content.
        force: do what is there again.
        on_progress: called with the number of pictures done, and of all.

    Raises:
        ImageError: the folder holds no picture, or a style cannot be read.
        OutputError: `output` is the folder itself, or lies in it.
        ConfigError: the weights do not fit the styles.
    """
    if output.resolve().is_relative_to(contents.resolve()):
        raise OutputError(f"{output}: lies in the folder {contents} itself, want another one")
    suffixes = set(SUFFIXES)
    pictures = sorted(p for p in contents.rglob("*") if p.suffix.lower() in suffixes)
    if not pictures:
        raise ImageError(f"{contents}: holds no picture, want some of {', '.join(SUFFIXES)}")
    photographs = [Photograph.open(style) for style in styles]
    report = FolderReport()
    for number, picture in enumerate(pictures, start=1):
        name = picture.relative_to(contents)
        target = output / name
        if target.exists() and not force:
            report.skipped.append(name)
            continue
        try:
            photo = Photograph.open(picture)
            result = stylist.stylize_photograph(photo, photographs, weights=weights)
            target.parent.mkdir(parents=True, exist_ok=True)
            result.save(target, quality=quality)
            report.done.append(name)
        except SwapfillError as error:
            report.failed[name] = str(error)
        if on_progress:
            on_progress(number, len(pictures))
    return report
