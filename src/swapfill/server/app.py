"""The app: the API's routes, the page in front of them, and problems in place of errors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib import resources
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse
from starlette.routing import compile_path
from starlette.staticfiles import StaticFiles

from swapfill import __version__
from swapfill.errors import SwapfillError
from swapfill.server import job_routes, openapi, routes, status_routes
from swapfill.server.batching import Devices
from swapfill.server.door import Door
from swapfill.server.logs import request_id
from swapfill.server.problems import ProblemError, problem_of, problem_of_status
from swapfill.server.service import Service
from swapfill.server.settings import ServeSettings

PAGE = Path(str(resources.files("swapfill"))) / "server" / "page"


def create_app(settings: ServeSettings, devices: Devices | None = None) -> FastAPI:
    """Make the app.

    Args:
        settings: all that can be set.
        devices: the models, loaded; None: as the settings say.

    Raises:
        BundleError: there is no such model, or it is damaged.
        DeviceError: the engine, device or precision is not there.
    """
    service = Service(settings, devices or Devices.load(settings))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(service.close)

    # The pages that FastAPI has for its docs want scripts from elsewhere.
    app = FastAPI(
        title="swapfill", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.state.service = service
    app.add_middleware(Door, settings=settings, metrics=service.metrics)
    for give in (routes.work, job_routes.jobs, status_routes.status):
        app.include_router(give(service))
    _add_page(app)
    _say_problems(app)
    description = openapi.describe(app, service.workshop, settings)
    app.openapi = lambda: description  # type: ignore[method-assign]
    return app


def _add_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})

    app.mount("/assets", StaticFiles(directory=PAGE), name="assets")


def _allowed(description: dict[str, Any], path: str) -> set[str]:
    """Give the methods of all routes of a path; Starlette tells those of one route alone."""
    return {
        method.upper()
        for template, methods in description["paths"].items()
        if compile_path(template)[0].match(path)
        for method in methods
    }


def _say_problems(app: FastAPI) -> None:
    """Answer every refusal with a problem document."""

    async def say(request: Request, error: Exception) -> Response:
        return problem_of(error).response(request_id.get())

    async def say_status(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        detail = f"{request.method} {request.url.path}: {error.detail.lower()}"
        headers = dict(error.headers or {})
        allowed = _allowed(app.openapi(), request.url.path)
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and allowed:
            headers["Allow"] = ", ".join(sorted(allowed))
        problem = problem_of_status(error.status_code, detail, headers)
        return problem.response(request_id.get())

    async def say_fields(request: Request, error: Exception) -> Response:
        return ProblemError("settings", f"request: {error}").response(request_id.get())

    for kind in (ProblemError, SwapfillError, MemoryError):
        app.add_exception_handler(kind, say)
    app.add_exception_handler(HTTPException, say_status)
    app.add_exception_handler(RequestValidationError, say_fields)
