"""Tables in Markdown, and how their figures are written."""

from collections.abc import Iterable


def table(head: list[str], body: Iterable[list[str]]) -> str:
    """Write a table: the first column to the left, figures to the right."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_megabytes(count: float) -> str:
    """Write bytes as 10^6 of them."""
    return f"{count / 1e6:.0f}"


def as_seconds(seconds: float) -> str:
    """Write seconds, to some two figures or three."""
    return f"{seconds:.4f}" if seconds < 0.1 else f"{seconds:.2f}"
