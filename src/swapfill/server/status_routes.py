"""The routes that tell of the server: what it offers, whether it is well, what it counted."""

from typing import Any

from fastapi import APIRouter, Response

from swapfill.formats import FORMATS
from swapfill.server import metrics, openapi
from swapfill.server.options import (
    HealthDocument,
    LimitsDocument,
    MethodDocument,
    ModelDocument,
    ModelsDocument,
)
from swapfill.server.problems import ProblemError
from swapfill.server.service import Service


def status(service: Service) -> APIRouter:
    """Give the routes."""
    router = APIRouter()
    _add_models(router, service)
    _add_health(router, service)
    _add_metrics(router, service)
    return router


def _add_models(router: APIRouter, service: Service) -> None:
    @router.get(
        "/v1/models",
        operation_id="models",
        response_model=ModelsDocument,
        responses=openapi.problems(),
    )
    async def models() -> ModelsDocument:
        """Tell which models, methods and formats can be asked for, and within which limits."""
        return _models(service)


def _add_health(router: APIRouter, service: Service) -> None:
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


def _add_metrics(router: APIRouter, service: Service) -> None:
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
        style=workshop.devices.has_style,
    )
