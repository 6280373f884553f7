"""What the routes share: the desk, the workshop, and how a request becomes a job and an answer."""

import asyncio
from contextlib import suppress

from starlette.requests import ClientDisconnect, Request

from swapfill.server.batching import Devices
from swapfill.server.desk import Desk
from swapfill.server.forms import read_order
from swapfill.server.jobs import Job
from swapfill.server.metrics import Metrics
from swapfill.server.problems import ProblemError
from swapfill.server.settings import ServeSettings
from swapfill.server.work import Answer, Workshop


class Service:
    """What the routes share.

    Args:
        settings: all that can be set.
        devices: the models, loaded.
    """

    def __init__(self, settings: ServeSettings, devices: Devices) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.workshop = Workshop(devices, settings.pixels)
        self.desk = Desk(self.workshop, settings, self.metrics)

    async def take(self, request: Request, kind: str | None, *, is_job: bool) -> Job:
        """Read a request and hand its order in.

        Raises:
            ProblemError: there is no room, or the request is refused.
            ConfigError: an option is refused.
        """
        settings = self.settings
        length = request.headers.get("content-length", "")
        size = int(length) if length.isdecimal() else settings.upload_bytes
        with self.desk.place(size) as place:
            order = await read_order(request, kind, settings.styles)
            seconds = settings.job_seconds if is_job else settings.fill_seconds
            return self.desk.hand_in(order, place, seconds=seconds, remember=is_job)

    async def answer(self, request: Request, job: Job) -> Answer:
        """Wait for a job of a request; end it if the client leaves, or it takes too long.

        Raises:
            ProblemError: that of the work, or it took too long.
            ClientDisconnect: nobody wants an answer any more.
        """
        seconds = self.settings.fill_seconds
        gone = asyncio.create_task(_until_gone(request))
        try:
            # Not `wait_for`, which would cancel what the worker is to set.
            both = {asyncio.wrap_future(job.ended), gone}
            await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            has_begun, has_left = job.state != "queued", gone.done()
        finally:
            gone.cancel()
            self.desk.cancel(job)
        if job.answer is None and job.problem is None and has_left:
            raise ClientDisconnect
        if job.answer is None and job.problem is None:
            kind = "time-out" if has_begun else "not-begun"
            about = "was not done" if has_begun else "did not begin"
            raise ProblemError(
                kind, f"the work {about} in {seconds:g} seconds", {"Retry-After": "30"}
            )
        return result_of(job)

    def close(self) -> None:
        """Finish what was taken."""
        self.desk.close()
        self.workshop.devices.close()


def result_of(job: Job) -> Answer:
    """Give what a job has made.

    Raises:
        ProblemError: it failed, was cancelled, or is not done.
    """
    if job.problem is not None:
        raise job.problem
    if job.answer is None:
        raise ProblemError("not-done", f"the job is {job.state}, want done")
    return job.answer


async def _until_gone(request: Request) -> None:
    with suppress(asyncio.CancelledError):
        while (await request.receive())["type"] != "http.disconnect":
            pass
