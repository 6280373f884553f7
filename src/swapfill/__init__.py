"""swapfill: fill holes in pictures by infer, match, translate."""

__version__ = "0.1.0"
