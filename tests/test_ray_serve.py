"""`swapfill serve --ray` with two replicas on this machine, one of which is killed."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx2
import pytest

from serving import expected, mask, picture, until
from swapfill.errors import ConfigError
from swapfill.server.ray_serve import NAME, deployed
from swapfill.server.settings import ServeSettings

# Ray's own warnings are not this project's.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
COUNT, CLIENTS = 60, 6
SET = (  # by the server, for a cluster that it makes
    *("RAY_worker_niceness", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"),
    *("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"),
)
LISTENS = "0A"  # in /proc/net/tcp
LOOPBACK = ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")


@pytest.fixture(scope="module")
def address(tiny_bundle: Path) -> Iterator[str]:
    """The address of two replicas with the tiny bundle."""
    need_ray()
    with pytest.MonkeyPatch.context() as patch:
        for name in SET:  # and taken back, for tests of other modules
            patch.setenv(name, "")
            patch.delenv(name)
        asked = {"models": (f"tiny={tiny_bundle}",), "devices": ("cpu",), "precision": "fp32"}
        settings = ServeSettings.read({"port": free_port(), "stop_seconds": 10} | asked, "test")
        with deployed(settings, "local", 2) as found:
            yield found


def need_ray() -> None:
    """Skip without Ray; it is not imported, for it reads the environment then."""
    if find_spec("ray") is None:
        pytest.skip("ray is not installed: pip install -e '.[ray]'")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def form(seed: int) -> dict[str, Any]:
    return {"files": {"picture": picture(seed=seed), "mask": mask()}}


def replicas() -> list[str]:
    """Name the actors that are replicas, and live."""
    named = import_module("ray.util").list_named_actors(all_namespaces=True)
    names: list[str] = [one["name"] for one in named]
    return [name for name in names if name.startswith(f"SERVE_REPLICA::{NAME}#")]


def kill(name: str) -> None:
    ray = import_module("ray")
    ray.kill(ray.get_actor(name, namespace="serve"))


@pytest.mark.skipif(sys.platform != "linux", reason="what listens is told by /proc")
def test_a_cluster_made_here_listens_on_this_machine_alone_and_wants_a_token(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    need_ray()
    port = free_port()
    command = [sys.executable, "-m", "swapfill", "serve", "--ray=local", f"--port={port}"]
    command += [f"--model=tiny={tiny_bundle}", "--device=cpu", "--precision=fp32"]
    # Whatever the session has of Ray's is no part of the test, nor is its home.
    asked = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    log = (tmp_path / "log").open("w+")
    process = subprocess.Popen(command, env=asked | {"HOME": str(tmp_path)}, stdout=log, stderr=log)
    try:
        until(lambda: process.poll() is not None or "open http" in log_of(tmp_path), seconds=300)
        assert process.poll() is None, log_of(tmp_path)
        assert httpx2.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        open_to_all = [port for port, is_local in listening(process.pid) if not is_local]
        assert len(open_to_all) == 1, open_to_all  # of the one replica, for others of its own
        assert refused_without_token(open_to_all[0])
        assert not (tmp_path / ".ray").exists()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=300)
        log.close()


def log_of(folder: Path) -> str:
    return (folder / "log").read_text()


def listening(root: int) -> list[tuple[int, bool]]:
    """Give the ports that a process and its descendants listen on, and whether here alone."""
    inodes = {inode for pid in descendants(root) for inode in sockets_of(pid)}
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            host, _, port = local.partition(":")
            if state == LISTENS and inode in inodes:
                found.append((int(port, 16), host in LOOPBACK))
    assert len(found) > 5  # Ray has a dozen, or the test sees nothing
    return found


def descendants(root: int) -> set[int]:
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def sockets_of(pid: int) -> set[str]:
    found = set()
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found.add(os.readlink(link).removeprefix("socket:[").removesuffix("]"))
    return found


def refused_without_token(port: int) -> bool:
    grpc = import_module("grpc")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        ask = channel.unary_unary("/ray.serve.ASGIService/HandleRequest")
        with pytest.raises(grpc.RpcError) as caught:
            ask(b"", timeout=30)
    return bool(caught.value.code() == grpc.StatusCode.UNAUTHENTICATED)


def test_a_job_is_found_through_any_replica_until_it_is_cancelled(
    address: str, tiny_bundle: Path
) -> None:
    with httpx2.Client(base_url=address, timeout=60) as client:
        for seed in range(4):
            taken = client.post("/v1/jobs", data={"kind": "inpaint"}, **form(seed))
            assert taken.status_code == 202
            where = taken.headers["Location"]
            while client.get(where).raise_for_status().json()["state"] != "done":
                time.sleep(0.01)
            right = expected(tiny_bundle, picture(seed=seed), mask())
            found = [client.get(f"{where}/result") for _ in range(12)]
            assert {(one.status_code, one.content == right) for one in found} == {(200, True)}
            assert client.delete(where).status_code == 200
            gone = client.get(where)
            assert (gone.status_code, gone.json()["type"]) == (404, "urn:swapfill:not-found")


def test_a_replica_killed_under_load_makes_no_answer_wrong_and_another_takes_its_place(
    address: str, tiny_bundle: Path
) -> None:
    right = [expected(tiny_bundle, picture(seed=seed), mask()) for seed in range(3)]
    done, failed = threading.Semaphore(0), []

    def ask(index: int) -> bytes:
        """Ask until there is an answer, as a client is told to."""
        for _ in range(20):
            try:
                with httpx2.Client(base_url=address, timeout=60) as client:
                    answer = client.post("/v1/inpaint", **form(index % 3))
            except httpx2.TransportError as error:
                failed.append(repr(error))
            else:
                if answer.status_code == 200:
                    done.release()
                    return bytes(answer.content)
                assert answer.status_code >= 500, answer.text
                failed.append(str(answer.status_code))
            time.sleep(0.2)
        raise AssertionError(f"never answered: {failed}")

    before = replicas()
    assert len(before) == 2
    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = [clients.submit(ask, index) for index in range(COUNT)]
        for _ in range(COUNT // 4):
            assert done.acquire(timeout=60)
        kill(before[0])
        assert not all(answer.done() for answer in answers)  # it was under load
        assert [answer.result() == right[i % 3] for i, answer in enumerate(answers)] == [
            True
        ] * COUNT
    assert len(failed) <= 2 * CLIENTS  # what was at work there; the rest went to the other
    until(lambda: len(set(replicas()) - {before[0]}) == 2, seconds=60)
    assert httpx2.get(f"{address}readyz").status_code == 200


def test_more_replicas_than_there_is_room_for_are_refused_and_do_not_wait_for_ever() -> None:
    pytest.importorskip("ray.serve", reason="ray is not installed: pip install -e '.[ray]'")
    from swapfill.server.ray_serve import _share

    class Cluster:
        def __init__(self, **found: float) -> None:
            self.found = found

        def cluster_resources(self) -> dict[str, float]:
            return self.found

    on_cpu, on_any = ServeSettings(devices=("cpu",)), ServeSettings()
    assert _share(Cluster(CPU=2, GPU=1), on_cpu, 2) == {"num_cpus": 1, "num_gpus": 0}
    assert _share(Cluster(CPU=2, GPU=1), on_any, 1) == {"num_cpus": 0, "num_gpus": 1}
    with pytest.raises(ConfigError, match=r"--replicas 2: the cluster has 1 GPUs, want no more"):
        _share(Cluster(CPU=2, GPU=1), on_any, 2)


def test_an_address_in_use_is_refused_before_a_cluster_is_made() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = ServeSettings(port=taken.getsockname()[1])
        refused = pytest.raises(ConfigError, match=r"in use, want another --host or --port")
        with refused, deployed(settings, "local", 1):
            pass


def test_without_ray_serve_it_is_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(ConfigError, match=r"package ray is missing, want: pip install"),
        deployed(ServeSettings(), "auto", 1),
    ):
        pass
