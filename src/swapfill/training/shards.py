"""Shards: many tar files named by one pattern, here or on a server."""

import hashlib
import http.client
import re
import shutil
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from swapfill.errors import DataError
from swapfill.training.cache_files import make_once

_TIMEOUT = 60.0  # seconds without a byte
_BROKEN = (
    urllib.error.URLError,
    http.client.HTTPException,
    TimeoutError,
    ConnectionError,
    ValueError,  # of a URL that makes no sense
)


def is_url(name: str) -> bool:
    """Tell what is fetched from a server."""
    return name.lower().startswith(("http://", "https://"))


def expanded(pattern: str) -> list[str]:
    """Spell out a pattern, as WebDataset does: `a-{00..02}.tar` is a-00.tar, a-01.tar, a-02.tar.

    Of webdataset nothing else is used: its readers run programs (`pipe:`, curl) and its decoders
    unpickle.

    Raises:
        DataError: webdataset is not installed, or the pattern makes no sense.
    """
    try:
        from webdataset.shardlists import expand_urls
    except ImportError:
        raise DataError(
            f"{pattern}: a pattern of shards needs webdataset, want pip install 'swapfill[train]'"
        ) from None
    try:
        return list(expand_urls(pattern))
    except (AssertionError, ValueError) as error:
        raise DataError(f"{pattern}: not a pattern of shards: {error}") from None


def fetched(url: str, folder: Path, say: Callable[[str], None]) -> Path:
    """Fetch a shard into `folder`, unless it is there; a fetch that was killed starts again.

    Returns:
        The shard's file.

    Raises:
        DataError: the server refuses or breaks off, or what it sends is no tar file.
        OSError: the shard cannot be written.
    """
    digest = hashlib.sha256(url.encode()).hexdigest()[:16]
    name = re.sub(r"[^\w.-]", "_", url.partition("?")[0].rpartition("/")[2])[-80:]
    path = folder / f"{digest}-{name}"

    def fetch(out: BinaryIO) -> None:
        say(f"{url}: fetching it to {path}")
        _download(url, out)
        out.seek(0)
        if not tarfile.is_tarfile(out):
            raise DataError(f"{url}: what was fetched is not a tar file")

    make_once(path, fetch)
    return path


def _download(url: str, out: BinaryIO) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "swapfill"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            shutil.copyfileobj(answer, out, 1 << 20)
            wanted = answer.headers["Content-Length"]
    except urllib.error.HTTPError as error:
        error.close()
        raise DataError(f"{url}: the server answers {error.code} {error.reason}") from None
    except _BROKEN as error:
        reason = getattr(error, "reason", error)
        raise DataError(f"{url}: cannot be fetched: {reason}") from None
    if wanted is not None and out.tell() != int(wanted):
        raise DataError(f"{url}: broke off after {out.tell()} bytes, want {wanted}")
