"""The routes of the API."""

import base64
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from swapfill.formats import FORMATS
from swapfill.server import metrics, openapi
from swapfill.server.jobs import Job
from swapfill.server.options import (
    HealthDocument,
    JobDocument,
    LimitsDocument,
    MethodDocument,
    ModelDocument,
    ModelsDocument,
    PictureDocument,
)
from swapfill.server.problems import ProblemError
from swapfill.server.service import Service, result_of
from swapfill.server.work import Answer


def work(service: Service) -> APIRouter:
    """Give the routes that answer once a picture is done."""
    router = APIRouter()

    def add(kind: str, about: str) -> None:
        async def answer(request: Request) -> Response:
            job = await service.take(request, kind, is_job=False)
            return await _picture(await service.answer(request, job), request)

        router.add_api_route(
            f"/v1/{kind}",
            answer,
            methods=["POST"],
            operation_id=kind,
            summary=about,
            response_class=Response,
            responses=openapi.pictures() | openapi.problems(*openapi.IN_TURN),
            openapi_extra=openapi.body_of(kind),
        )

    add("inpaint", "Fill the hole of a picture; outside of it nothing changes.")
    add("style", "Give a picture the style of others.")

    @router.post(
        "/v1/preview",
        operation_id="preview",
        response_class=Response,
        responses=openapi.previews() | openapi.problems(*openapi.TO_LOOK_AT),
        openapi_extra=openapi.body_of("preview"),
    )
    async def preview(request: Request) -> Response:
        """Give a picture as any browser shows it: a TIFF, for one, it does not."""
        job = await service.take(request, "preview", is_job=False)
        answer = await service.answer(request, job)
        return Response(answer.content, media_type=answer.media_type)

    return router


def jobs(service: Service) -> APIRouter:
    """Give the routes of long work: take, look, fetch, cancel."""
    router = APIRouter(prefix="/v1/jobs")
    desk = service.desk

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

    @router.get(
        "/{job_id}",
        operation_id="job",
        response_model=JobDocument,
        responses=openapi.problems("not-found", "settings"),
    )
    async def look(job_id: str) -> JobDocument:
        """Tell where a job stands."""
        return _state(desk.find(job_id))

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
        return await _picture(answer, request)

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

    return router


def status(service: Service) -> APIRouter:
    """Give the routes that tell of the server."""
    router = APIRouter()

    @router.get(
        "/v1/models",
        operation_id="models",
        response_model=ModelsDocument,
        responses=openapi.problems(),
    )
    async def models() -> ModelsDocument:
        """Tell which models, methods and formats can be asked for, and within which limits."""
        return _models(service)

    @router.get(
        "/healthz",
        operation_id="health",
        response_model=HealthDocument,
        responses=openapi.problems(),
    )
    async def health() -> HealthDocument:
        """Tell that the process lives."""
        return HealthDocument(status="alive")

    @router.get(
        "/readyz",
        operation_id="readiness",
        response_model=HealthDocument,
        responses=openapi.problems("stopping"),
    )
    async def readiness() -> HealthDocument:
        """Tell that work is taken: not while the server is stopping."""
        if service.desk.is_stopping:
            raise ProblemError("stopping", "the server is stopping, and takes no more")
        return HealthDocument(status="ready")

    text: dict[int | str, dict[str, Any]] = {
        200: {"description": "Prometheus's text", "content": {"text/plain": {}}}
    }

    @router.get(
        "/metrics",
        operation_id="metrics",
        response_class=Response,
        responses=text | openapi.problems(),
    )
    async def counted() -> Response:
        """Give what is counted, for Prometheus."""
        return Response(service.metrics.text(), media_type=metrics.MEDIA_TYPE)

    return router


async def _picture(answer: Answer, request: Request) -> Response:
    """Answer with the picture, or with JSON where that is asked for and no picture is."""
    if _wants_json(request.headers.get("accept", "*/*")):
        return await run_in_threadpool(_document, answer)  # of a large picture, it takes a while
    return Response(answer.content, media_type=answer.media_type)


def _document(answer: Answer) -> Response:
    names = set(PictureDocument.model_fields) - {"picture"}
    told = {name: getattr(answer, name) for name in names}
    document = PictureDocument(picture=base64.b64encode(answer.content).decode(), **told)
    return JSONResponse(document.model_dump())


def _wants_json(accept: str) -> bool:
    """Tell whether JSON is preferred to a picture."""
    weights = {"application/json": 0.0, "image/*": 0.0}
    for part in accept.lower().split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        weight = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        name = "application/json" if kind == "application/json" else "image/*"
        if kind == name or kind == "*/*" or kind.startswith("image/"):
            weights[name] = max(weights[name], _number(weight))
    return weights["application/json"] > weights["image/*"]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _state(job: Job) -> JobDocument:
    assert job.kind != "preview"  # which is never remembered
    problem = None if job.problem is None else job.problem.detail
    return JobDocument(
        id=job.id, kind=job.kind, state=job.state, done=job.done, of=job.of, problem=problem
    )


def _models(service: Service) -> ModelsDocument:
    workshop, settings = service.workshop, service.settings
    models = []
    for name, bundle in workshop.devices.bundles.items():
        painter = workshop.devices.painter(name)
        models.append(
            ModelDocument(
                name=name,
                description=bundle.config.description,
                engine=painter.engine.name,
                devices=workshop.devices.names,
                precision=painter.engine.precision,
                settings=painter.settings.model_dump(mode="json"),
            )
        )
    return ModelsDocument(
        models=models,
        methods=[MethodDocument(name=m.name, about=m.about) for m in workshop.methods.values()],
        formats=list(FORMATS),
        limits=LimitsDocument(
            upload_bytes=settings.upload_bytes, pixels=settings.pixels, styles=settings.styles
        ),
        style=all(model.engine == "torch" for model in models),
    )
