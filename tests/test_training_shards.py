"""Shards on a server."""

import gzip
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from photo_files import noise, png, tar_of
from swapfill.errors import DataError
from swapfill.training.photo_store import open_store
from swapfill.training.shards import expanded, fetched

Keep = Literal["decoded", "encoded"]


class Server(http.server.ThreadingHTTPServer):
    """Answers with what it holds, and notes what it was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.cut: int | None = None  # bytes after which it breaks off
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path == "/moved.tar":
            self.send_response(302)
            self.send_header("Location", "/a.tar")
            self.end_headers()
            return
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: self.server.cut])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def left_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_pattern_is_spelt_out_as_webdataset_does() -> None:
    assert expanded("a-{08..11}.tar") == ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]
    assert expanded("http://h/{a,b}.tar") == ["http://h/a.tar", "http://h/b.tar"]


@pytest.mark.parametrize("keep", ["decoded", "encoded"])
def test_shards_of_a_server_are_fetched_once_and_read_like_files(
    keep: Keep, server: Server, tmp_path: Path
) -> None:
    server.files = {f"/s-{i}.tar": tar_of({"a.png": png(i), "b.jpg": b"bad"}) for i in range(3)}
    said, source = list[str](), server.url + "/s-{0..2}.tar"
    for _ in range(2):
        store = open_store([source], tmp_path / "cache", said.append, keep=keep)
        assert len(store) == 3
        for i in range(3):
            np.testing.assert_array_equal(store[i], noise(i))
    assert server.asked == [f"/s-{i}.tar" for i in range(3)]
    assert f"{server.url}/s-1.tar: b.jpg: is no picture of a known kind" in said
    assert [line for line in said if "fetching" in line and "/s-1.tar" in line]


def test_too_many_damaged_pictures_on_a_server_stop_the_run(server: Server, tmp_path: Path) -> None:
    server.files["/a.tar"] = tar_of({"a.png": png(0), "b.png": png(1)[:60]})
    words = r"/a\.tar: b\.png: .*; of 2 pictures 1 cannot be read, want at most 10%"
    with pytest.raises(DataError, match=words):
        open_store([f"{server.url}/a.tar"], tmp_path, unreadable=0.1)


@pytest.mark.parametrize(("keep", "times"), [("decoded", 1), ("encoded", 2)])
def test_decoded_pictures_outlive_the_shards_and_encoded_ones_fetch_them_again(
    keep: Keep, times: int, server: Server, tmp_path: Path
) -> None:
    server.files["/a.tar"] = tar_of({"a.png": png(0)})
    open_store([f"{server.url}/a.tar"], tmp_path, keep=keep)
    (shard,) = left_in(tmp_path / "shards")
    shard.unlink()
    store = open_store([f"{server.url}/a.tar"], tmp_path, keep=keep)
    np.testing.assert_array_equal(store[0], noise(0))
    assert len(server.asked) == times


def refused(url: str, folder: Path, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        fetched(url, folder, lambda _: None)
    assert str(caught.value).startswith(url)
    assert "\n" not in str(caught.value)
    assert left_in(folder) == []


def test_a_shard_that_is_not_there_is_one_line(server: Server, tmp_path: Path) -> None:
    refused(f"{server.url}/gone.tar", tmp_path, r"gone\.tar: the server answers 404 Not Found$")


def test_a_shard_that_breaks_off_is_one_line_and_is_fetched_whole_next_time(
    server: Server, tmp_path: Path
) -> None:
    server.files["/a.tar"] = tar_of({"a.png": png(0)})
    server.cut = 3000
    size = len(server.files["/a.tar"])
    refused(f"{server.url}/a.tar", tmp_path, rf"broke off after 3000 bytes, want {size}$")
    server.cut = None
    path = fetched(f"{server.url}/a.tar", tmp_path, lambda _: None)
    assert path.read_bytes() == server.files["/a.tar"]


def test_a_page_in_the_place_of_a_shard_is_refused(server: Server, tmp_path: Path) -> None:
    server.files["/a.tar"] = b"<html>please log in</html>"
    refused(f"{server.url}/a.tar", tmp_path, "what was fetched is not a tar file")


def test_a_server_that_is_not_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as taken:  # bound, but it does not listen
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        refused(f"http://127.0.0.1:{port}/a.tar", tmp_path, "cannot be fetched: .*refused")


@pytest.mark.parametrize("url", ["http:///a.tar", "http://h:port/a.tar", "http://127.0.0.1/\xe4"])
def test_a_url_that_makes_no_sense_is_one_line(url: str, tmp_path: Path) -> None:
    refused(url, tmp_path, "cannot be fetched: ")


def test_a_redirection_is_followed_and_a_compressed_shard_is_kept_as_it_is(
    server: Server, tmp_path: Path
) -> None:
    server.files["/a.tar"] = gzip.compress(tar_of({"a.png": png(0)}))
    path = fetched(f"{server.url}/moved.tar", tmp_path, lambda _: None)
    assert path.read_bytes() == server.files["/a.tar"]


def test_shards_of_the_same_name_on_two_paths_are_two(server: Server, tmp_path: Path) -> None:
    server.files = {f"/{i}/a.tar": tar_of({"a.png": png(i)}) for i in range(2)}
    store = open_store([f"{server.url}/{{0,1}}/a.tar"], tmp_path)
    assert len(store) == 2
    np.testing.assert_array_equal(store[1], noise(1))


def test_the_name_of_a_fetched_shard_stays_in_its_folder(server: Server, tmp_path: Path) -> None:
    server.files["/..%2f..%2fa.tar?x=../../b"] = tar_of({"a.png": png(0)})
    path = fetched(f"{server.url}/..%2f..%2fa.tar?x=../../b", tmp_path / "in", lambda _: None)
    assert path.parent == tmp_path / "in"
