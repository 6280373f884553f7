"""An HTTP API, and a page in front of it, that stand real use: `swapfill serve`."""
