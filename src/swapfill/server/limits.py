"""How large a picture may become, told from its header, before a pixel is decoded."""

from swapfill.formats import extent
from swapfill.server.problems import ProblemError

_PLAIN_SAMPLES = 4  # a pixel of RGBA or CMYK; a TIFF may claim hundreds


def check_extent(data: bytes, name: str, pixels: int) -> None:
    """Refuse a file of more than `pixels`; one with many samples a pixel counts as more.

    Raises:
        ProblemError: it is larger than the server takes.
        ImageError: its header is damaged, or is no picture's.
    """
    found = extent(data, name)
    if found.width * found.height * max(found.samples, _PLAIN_SAMPLES) > pixels * _PLAIN_SAMPLES:
        counted = f"{found.width} x {found.height} = {found.width * found.height:,} pixels"
        raise ProblemError(
            "too-large",
            f"{name}: has {counted} of {found.samples} samples, want at most {pixels:,} pixels",
        )
