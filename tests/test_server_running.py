"""The server as a process: how it starts, and how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx2
import pytest

from serving import mask, picture, until
from swapfill.errors import ConfigError
from swapfill.server.running import listen
from swapfill.server.settings import ServeSettings

FILES = {"picture": picture("PNG", (400, 300)), "mask": mask((400, 300))}


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `swapfill serve` on a free port; gives the process and its address."""
    command = [sys.executable, "-m", "swapfill", "serve", "--port=0", f"--model=tiny={folder}"]
    kept = os.environ | {"SWAPFILL_TOKEN": ""}
    with subprocess.Popen(
        [*command, "--device=cpu", *options], stderr=subprocess.PIPE, text=True, env=kept
    ) as process:
        assert process.stderr is not None
        try:
            first = process.stderr.readline()
            found = re.search(r"open (http://127\.0\.0\.1:\d+)/", first)
            assert found, first
            yield process, found[1]
        finally:
            process.kill()


def is_done(client: httpx2.Client, job: str) -> bool:
    return bool(client.get(f"/v1/jobs/{job}").json()["state"] == "done")


@pytest.mark.slow
def test_asked_to_stop_it_finishes_and_hands_out_what_it_took(tiny_bundle: Path) -> None:
    with serving(tiny_bundle, "--workers=1") as (process, address):
        with httpx2.Client(base_url=address, timeout=60) as client:
            wanted = client.post("/v1/inpaint", files=FILES).content
            jobs = [
                client.post("/v1/jobs", files=FILES, data={"kind": "inpaint"}).json()["id"]
                for _ in range(4)
            ]
            process.send_signal(signal.SIGTERM)
            until(lambda: client.get("/readyz").status_code == 503)
            assert client.post("/v1/inpaint", files=FILES).status_code == 503
            for job in jobs:
                until(partial(is_done, client, job))
            # Nothing is lost, and nothing is kept open once all has been fetched.
            assert process.poll() is None
            for job in jobs:
                assert client.get(f"/v1/jobs/{job}/result").content == wanted
        assert process.wait(timeout=20) == 0
        assert process.stderr is not None
        lines = [json.loads(line) for line in process.stderr]
    assert {"request", "work", "stopping"} <= {line["event"] for line in lines}
    for line in lines:
        assert {"time", "level", "logger", "event"} <= set(line)
        assert line["event"] == "stopping" or re.fullmatch(r"[0-9a-f]{16}", line["request_id"])


@pytest.mark.slow
def test_asked_twice_it_ends_at_once(tiny_bundle: Path) -> None:
    with serving(tiny_bundle) as (process, address):
        taken = httpx2.post(f"{address}/v1/jobs", files=FILES, data={"kind": "inpaint"})
        job = f"{address}/v1/jobs/{taken.json()['id']}"
        process.send_signal(signal.SIGINT)
        until(lambda: httpx2.get(f"{address}/readyz").status_code == 503)
        until(lambda: httpx2.get(job).json()["state"] == "done")  # and nobody fetches it
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0


@pytest.mark.slow
def test_it_does_not_wait_for_ever_for_who_does_not_come(tiny_bundle: Path) -> None:
    with serving(tiny_bundle, "--stop-time=0.5") as (process, address):
        httpx2.post(f"{address}/v1/jobs", files=FILES, data={"kind": "inpaint"})
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def test_an_address_in_use_is_one_line() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        wanted = f"serve: 127.0.0.1:{port}: Address already in use, want another --host or --port"
        with pytest.raises(ConfigError, match=re.escape(wanted)), listen(ServeSettings(port=port)):
            pass


def test_who_is_told_the_address_can_connect_before_the_server_runs() -> None:
    with listen(ServeSettings.read({"port": 0}, "test")) as (_, address):
        port = int(address.rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
