"""The routes that answer once a picture is done."""

from fastapi import APIRouter, Request, Response

from swapfill.server import openapi
from swapfill.server.answers import picture_of
from swapfill.server.service import Service


def work(service: Service) -> APIRouter:
    """Give the routes."""
    router = APIRouter()
    _add(router, service, "inpaint", "Fill the hole of a picture; outside of it nothing changes.")
    _add(router, service, "style", "Give a picture the style of others.")

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


def _add(router: APIRouter, service: Service, kind: str, about: str) -> None:
    """Add the route of a kind of work."""

    async def answer(request: Request) -> Response:
        job = await service.take(request, kind, is_job=False)
        return await picture_of(await service.answer(request, job), request)

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
