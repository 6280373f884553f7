from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from serving import Gate, client_of, devices_of, encoded, mask, picture, until
from swapfill.server.desk import Desk
from swapfill.server.jobs import Job
from swapfill.server.metrics import Metrics
from swapfill.server.options import InpaintOptions
from swapfill.server.problems import ProblemError
from swapfill.server.settings import ServeSettings
from swapfill.server.work import Order, Workshop

FILES = {"picture": picture(), "mask": mask()}
ORDER = Order(InpaintOptions(), picture(), mask())


@contextmanager
def desk_of(folder: Path, gate: Any = None, **settings: Any) -> Iterator[Desk]:
    """Give a desk whose pictures wait for the gate; what was taken is finished at the end."""
    asked = ServeSettings.read({"workers": 1, **settings}, "test")
    devices = devices_of(folder, gate) if gate else devices_of(folder)
    desk = Desk(Workshop(devices, asked.pixels), asked, Metrics())
    try:
        yield desk
    finally:
        if isinstance(gate, Gate):
            gate.opened.set()
        desk.close()
        devices.close()


def hand_in(desk: Desk, *, remember: bool = True, seconds: float = 60) -> Job:
    with desk.place(ORDER.bytes) as place:
        return desk.hand_in(ORDER, place, seconds=seconds, remember=remember)


def refusal(desk: Desk, size: int = 1) -> ProblemError:
    with pytest.raises(ProblemError) as caught, desk.place(size):
        raise AssertionError("it was taken")
    return caught.value


def test_what_is_more_than_the_queue_holds_is_told_when_to_come_again(tiny_bundle: Path) -> None:
    gate = Gate()
    with desk_of(tiny_bundle, gate, queue=2) as desk:
        taken = [hand_in(desk) for _ in range(3)]
        assert gate.entered.wait(timeout=20)  # one is at work
        problem = refusal(desk)
        assert (problem.kind, problem.status) == ("queue-full", 429)
        assert "3 requests were taken, want fewer than 3" in problem.detail
        # Two seconds a picture, as long as none is known: two that wait, and this one.
        assert problem.headers == {"Retry-After": "6"}
        desk.cancel(taken[1])  # who waits and is cancelled leaves its place at once
        taken.append(hand_in(desk))
        assert refusal(desk).kind == "queue-full"
        gate.opened.set()
        for job in taken:
            job.ended.result(timeout=20)
        assert [job.state for job in taken] == ["done", "cancelled", "done", "done"]
        hand_in(desk)


def test_a_request_that_is_refused_gives_its_place_back(tiny_bundle: Path) -> None:
    with desk_of(tiny_bundle, queue=1) as desk:
        for _ in range(5):
            with pytest.raises(ZeroDivisionError), desk.place(10):
                raise ZeroDivisionError
        assert desk.waiting == 0


def test_what_is_held_is_bounded_and_results_that_were_fetched_make_room(
    tiny_bundle: Path,
) -> None:
    most = 2 * ORDER.bytes
    with desk_of(tiny_bundle, held_bytes=most, upload_bytes=1000) as desk:
        assert "too much is held" in refusal(desk, most + 1).detail
        job = hand_in(desk)
        job.ended.result(timeout=20)
        until(lambda: desk.waiting == 0)
        room = most - job.held
        with desk.place(room):
            assert refusal(desk).kind == "queue-full"
        assert refusal(desk, room + 1).kind == "queue-full"
        job.was_fetched = True
        with desk.place(room + 1):
            pass
        with pytest.raises(ProblemError, match="no such job"):
            desk.find(job.id)


def test_jobs_are_forgotten_after_a_while_or_when_there_are_many(tiny_bundle: Path) -> None:
    with desk_of(tiny_bundle, jobs=2) as desk:
        jobs = [hand_in(desk) for _ in range(3)]
        for job in jobs:
            job.ended.result(timeout=20)
        assert desk.find(jobs[2].id) is jobs[2]
        with pytest.raises(ProblemError, match="no such job"):
            desk.find(jobs[0].id)
        jobs[1].ended_at -= 901
        with pytest.raises(ProblemError, match="no such job"):
            desk.find(jobs[1].id)


def test_work_that_takes_too_long_is_ended(tiny_bundle: Path) -> None:
    gate = Gate()
    with desk_of(tiny_bundle, gate) as desk:
        job = hand_in(desk, seconds=1e-9)
        job.ended.result(timeout=20)
        assert job.problem is not None
        assert (job.state, job.problem.kind) == ("failed", "time-out")


def test_cancelled_work_ends_after_the_windows_that_are_being_filled(tiny_bundle: Path) -> None:
    gate, filled = Gate(), []

    def fill(*arguments: Any) -> Any:
        filled.append(arguments)
        return gate(*arguments)

    size = (700, 200)  # two windows one after the other: the second sees the first
    pixels = np.zeros((size[1], size[0]), np.uint8)
    pixels[80:110, 40:110] = pixels[80:110, 140:210] = 255
    order = Order(InpaintOptions(), picture("PNG", size), encoded(pixels, "PNG"))
    with desk_of(tiny_bundle, fill) as desk, desk.place(1) as place:
        job = desk.hand_in(order, place, seconds=60, remember=True)
        assert gate.entered.wait(timeout=20)
        desk.cancel(job)
        gate.opened.set()
        until(lambda: desk.is_finished)
        assert len(filled) == 1


def test_a_desk_that_stops_takes_no_more_and_finishes(tiny_bundle: Path) -> None:
    gate = Gate()
    with desk_of(tiny_bundle, gate) as desk:
        jobs = [hand_in(desk) for _ in range(3)]
        desk.stop()
        assert refusal(desk).kind == "stopping"
        gate.opened.set()
        for job in jobs:
            job.ended.result(timeout=20)
        assert {job.state for job in jobs} == {"done"}
        assert not desk.is_finished  # they are still to be fetched
        for job in jobs:
            job.was_fetched = True
        until(lambda: desk.is_finished)


def test_a_desk_that_is_abandoned_ends_all_that_waits(tiny_bundle: Path) -> None:
    gate = Gate()
    with desk_of(tiny_bundle, gate) as desk:
        jobs = [hand_in(desk) for _ in range(3)]
        assert gate.entered.wait(timeout=20)
        desk.abandon()
        assert {job.state for job in jobs} == {"cancelled"}
        assert desk.waiting == 0
        gate.opened.set()
        until(lambda: desk.is_finished)


# As clients see it


@contextmanager
def busy(folder: Path, **settings: Any) -> Iterator[TestClient]:
    """Give a client of a server that has one picture at work, until the end."""
    gate = Gate()
    with client_of(devices_of(folder, gate), workers=1, **settings) as client:
        taken = client.post("/v1/jobs", files=FILES, data={"kind": "inpaint"})
        assert taken.status_code == 202
        assert gate.entered.wait(timeout=20)
        try:
            yield client
        finally:
            gate.opened.set()


def test_a_full_queue_is_429_with_retry_after(tiny_bundle: Path) -> None:
    with busy(tiny_bundle, queue=1) as client:
        answers = [client.post("/v1/jobs", files=FILES, data={"kind": "inpaint"}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [202, 429]
        assert int(answers[1].headers["retry-after"]) >= 1
        assert answers[1].json()["type"] == "urn:swapfill:queue-full"
        assert client.get("/healthz").status_code == 200


def test_what_cannot_begin_in_time_is_503_and_does_not_stay(tiny_bundle: Path) -> None:
    with busy(tiny_bundle, fill_seconds=0.05) as client:
        answer = client.post("/v1/inpaint", files=FILES)
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:swapfill:not-begun")
        assert "retry-after" in answer.headers
        assert "swapfill_waiting 0.0" in client.get("/metrics").text


def test_what_is_not_done_in_time_is_504(tiny_bundle: Path) -> None:
    gate = Gate()
    with client_of(devices_of(tiny_bundle, gate), fill_seconds=0.5) as client:
        answer = client.post("/v1/inpaint", files=FILES)
        assert (answer.status_code, answer.json()["type"]) == (504, "urn:swapfill:time-out")
        gate.opened.set()
        assert client.get("/healthz").status_code == 200


def test_while_the_server_stops_it_is_not_ready_and_jobs_can_be_fetched(
    tiny_bundle: Path,
) -> None:
    with client_of(devices_of(tiny_bundle)) as client:
        place = client.post("/v1/jobs", files=FILES, data={"kind": "inpaint"}).headers["location"]
        service: Any = client.app
        service.state.service.desk.stop()
        assert client.get("/readyz").status_code == 503
        assert client.post("/v1/inpaint", files=FILES).json()["type"] == "urn:swapfill:stopping"
        until(lambda: client.get(place).json()["state"] == "done")
        assert client.get(f"{place}/result").status_code == 200
