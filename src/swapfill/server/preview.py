"""A picture as any browser shows it: 8 bits, upright, at full size."""

import io

import numpy as np
from PIL import Image

from swapfill.images import Photograph
from swapfill.raster import RGB
from swapfill.server.methods import in_bytes

JPEG, PNG = "image/jpeg", "image/png"

# It is looked at, and never worked on: of 12 megapixels a JPEG took 0.4 s to write, a PNG 6 s.
_AS_JPEG = {"quality": 92, "subsampling": 0}
_AS_PNG = {"compress_level": 1}
_LONGEST_JPEG = 65_500  # pixels a side


def preview_of(photo: Photograph) -> tuple[bytes, str]:
    """Give a file that shows the picture, and its media type: a PNG if anything is transparent.

    The colours keep the profile that the file says they are in, where it is one for RGB.
    """
    rgb = in_bytes(photo.rgb)
    alpha = None if photo.alpha is None else in_bytes(photo.alpha)
    icc = photo.metadata.icc if photo.raster.colours == RGB else b""
    profile = {"icc_profile": icc} if icc else {}
    file = io.BytesIO()
    if (alpha is None or (alpha == 255).all()) and max(photo.size) <= _LONGEST_JPEG:
        Image.fromarray(rgb).save(file, "JPEG", **_AS_JPEG, **profile)
        return file.getvalue(), JPEG
    if alpha is not None:
        if photo.raster.premultiplied:  # a PNG's colours are not
            rgb = np.minimum(rgb.astype(np.uint16) * 255 // np.maximum(alpha, 1)[..., None], 255)
        rgb = np.dstack([rgb.astype(np.uint8), alpha])
    Image.fromarray(rgb).save(file, "PNG", **_AS_PNG, **profile)
    return file.getvalue(), PNG
