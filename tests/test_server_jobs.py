"""Long work over HTTP: taken, looked at, fetched, cancelled."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from serving import (
    CUT,
    Gate,
    client_of,
    devices_of,
    expected,
    filled,
    mask,
    picture,
    refused,
    sentence_of,
    text,
    until,
)
from swapfill.lots import Turns


@pytest.fixture(scope="module")
def client(tiny_bundle: Path) -> Iterator[TestClient]:
    with client_of(devices_of(tiny_bundle)) as client:
        yield client


def job_of(client: TestClient, **data: Any) -> Any:
    files = {"picture": picture(), "mask": mask()}
    return client.post("/v1/jobs", files=files, data={"kind": "inpaint", **data})


def test_a_job_is_taken_looked_at_fetched_and_forgotten(
    client: TestClient, tiny_bundle: Path
) -> None:
    taken = job_of(client, grow=1)
    assert taken.status_code == 202
    place = taken.headers["location"]
    assert place == f"/v1/jobs/{taken.json()['id']}"
    until(lambda: client.get(place).json()["state"] == "done")
    told = client.get(place).json()
    assert (told["kind"], told["done"], told["of"], told["problem"]) == ("inpaint", 1, 1, None)
    for _ in range(2):
        fetched = client.get(f"{place}/result")
        assert fetched.content == expected(tiny_bundle, picture(), mask(), grow=1)
    assert client.delete(place).json()["state"] == "done"
    refused(client.get(place), 404, "not-found", "there is no such job")


def test_a_failed_job_says_why_and_its_result_is_the_problem(client: TestClient) -> None:
    body = {"kind": "inpaint", "picture": text(CUT), "mask": text(mask())}
    place = client.post("/v1/jobs", json=body).headers["location"]
    until(lambda: client.get(place).json()["state"] == "failed")
    assert client.get(place).json()["problem"] == sentence_of(CUT)
    refused(client.get(f"{place}/result"), 422, "picture", sentence_of(CUT))


@pytest.mark.parametrize("kind", [None, "paint"])
def test_a_job_of_no_kind_is_refused(client: TestClient, kind: str | None) -> None:
    body = {"picture": text(picture())} | ({} if kind is None else {"kind": kind})
    refused(client.post("/v1/jobs", json=body), 422, "settings", "want one of inpaint, style")


def test_a_job_can_be_cancelled_while_it_waits_and_while_it_is_at_work(tiny_bundle: Path) -> None:
    gate = Gate()
    with client_of(devices_of(tiny_bundle, gate), workers=1) as client:
        at_work, waiting = (job_of(client).headers["location"] for _ in range(2))
        until(lambda: client.get(at_work).json()["state"] == "running")
        assert client.get(waiting).json()["state"] == "queued"
        refused(client.get(f"{at_work}/result"), 409, "not-done", "running")
        for place in (waiting, at_work):
            assert client.delete(place).json()["state"] == "cancelled"
        gate.opened.set()
        # What is at work ends after its windows, and what waited is never begun.
        until(lambda: "swapfill_waiting 0.0\n" in client.get("/metrics").text)
        until(lambda: 'swapfill_work_total{end="cancelled",kind="inpaint"} 1.0' in metrics(client))
        assert filled(client, picture(), mask()).status_code == 200


def test_a_job_tells_how_many_windows_there_are_before_the_first_is_filled(
    tiny_bundle: Path,
) -> None:
    gate = Gate()
    with client_of(devices_of(tiny_bundle, gate), workers=1) as client:
        place = job_of(client).headers["location"]
        until(gate.entered.is_set)
        told = client.get(place).json()
        assert (told["state"], told["done"], told["of"]) == ("running", 0, 1)
        gate.opened.set()
        until(lambda: client.get(place).json()["state"] == "done")
        assert client.get(place).json()["done"] == 1


def test_a_style_tells_how_many_tiles_there_are_before_the_first_is_painted(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, opened = threading.Event(), threading.Event()

    def wait(turns: Turns) -> None:
        entered.set()
        assert opened.wait(timeout=20)

    monkeypatch.setattr(Turns, "give_way", wait)
    files = [("picture", picture()), ("style", picture("PNG", (64, 70), 5))]
    place = client.post("/v1/jobs", files=files, data={"kind": "style"}).headers["location"]
    until(entered.is_set)
    told = client.get(place).json()
    opened.set()
    assert (told["state"], told["done"]) == ("running", 0)
    until(lambda: client.get(place).json()["state"] == "done")
    assert client.get(place).json()["done"] == told["of"] > 0


def metrics(client: TestClient) -> str:
    return str(client.get("/metrics").text)
