"""The routes of long work: take, look, fetch, cancel."""

from fastapi import APIRouter, Request, Response

from swapfill.server import openapi
from swapfill.server.answers import picture_of
from swapfill.server.desk import Desk
from swapfill.server.jobs import Job
from swapfill.server.options import JobDocument
from swapfill.server.service import Service, result_of


def jobs(service: Service) -> APIRouter:
    """Give the routes."""
    router = APIRouter(prefix="/v1/jobs")
    _add_taking(router, service)
    _add_looking(router, service.desk)
    _add_fetching(router, service.desk)
    _add_cancelling(router, service.desk)
    return router


def _add_taking(router: APIRouter, service: Service) -> None:
    @router.post(
        "",
        status_code=202,
        response_description="The job, which waits or is at work already",
        operation_id="take_job",
        response_model=JobDocument,
        responses=openapi.links_of_job() | openapi.problems(*openapi.LATER),
        openapi_extra=openapi.body_of_job(),
    )
    async def take(request: Request, response: Response) -> JobDocument:
        """Take work that goes on after the answer."""
        job = await service.take(request, None, is_job=True)
        response.headers["Location"] = f"/v1/jobs/{job.id}"
        return _state(job)


def _add_looking(router: APIRouter, desk: Desk) -> None:
    @router.get(
        "/{job_id}",
        operation_id="job",
        response_model=JobDocument,
        responses=openapi.problems("not-found", "settings"),
    )
    async def look(job_id: str) -> JobDocument:
        """Tell where a job stands."""
        return _state(desk.find(job_id))


def _add_fetching(router: APIRouter, desk: Desk) -> None:
    @router.get(
        "/{job_id}/result",
        operation_id="job_result",
        response_class=Response,
        responses=openapi.pictures()
        | openapi.problems("not-found", "not-done", *openapi.OF_PICTURES),
    )
    async def fetch(job_id: str, request: Request) -> Response:
        """Give the picture of a job that is done; of one that failed, its problem."""
        job = desk.find(job_id)
        answer = result_of(job)
        job.was_fetched = True
        return await picture_of(answer, request)


def _add_cancelling(router: APIRouter, desk: Desk) -> None:
    @router.delete(
        "/{job_id}",
        operation_id="cancel_job",
        response_model=JobDocument,
        responses=openapi.problems("not-found", "settings"),
    )
    async def cancel(job_id: str) -> JobDocument:
        """Cancel a job, or forget one that has ended."""
        job = desk.find(job_id)
        desk.cancel(job)
        desk.forget(job)
        return _state(job)


def _state(job: Job) -> JobDocument:
    assert job.kind != "preview"  # which is never remembered
    problem = None if job.problem is None else job.problem.detail
    return JobDocument(
        id=job.id, kind=job.kind, state=job.state, done=job.done, of=job.of, problem=problem
    )
