"""What every request passes first: an id, whom the server is for, how much and how slowly it reads.

Plain ASGI, so that a body is counted as it arrives and an answer is counted as it goes.
"""

import hmac
import logging
import re
import secrets
import time
from asyncio import get_running_loop, timeout_at
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from swapfill.server.logs import request_id, tell, tell_fault
from swapfill.server.metrics import Metrics
from swapfill.server.problems import ProblemError, problem_of
from swapfill.server.settings import ServeSettings

_GIVEN_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)
_OPEN = re.compile(r"/(healthz|readyz|openapi\.json|assets/.*)?", re.ASCII)  # without a token
_LEAST_RATE = 128 * 1024  # bytes a second; an upload may take as long as that needs, and a bit
_LOCAL = ("localhost", "127.0.0.1", "[::1]")
_PORT = re.compile(r":\d*$", re.ASCII)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_GONE = 499  # the client, before it was answered; as nginx logs it
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; base-uri 'none'; form-action 'self';"
        " frame-ancestors 'none'; object-src 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Door:
    """ASGI middleware around the whole app.

    Args:
        app: what is behind it.
        settings: token, limits and times.
        metrics: what is counted.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = _Visit(scope, receive, send, self._settings)
        token = request_id.set(visit.id)
        try:
            self._check(visit.headers, scope)
            await self._app(scope, visit.receive, visit.send)
        except ClientDisconnect:
            visit.status = _GONE
        except Exception as error:
            await visit.fail(error)
        finally:
            self._tell(visit, scope)
            request_id.reset(token)

    def _check(self, headers: Headers, scope: Scope) -> None:
        """Refuse whoever the server is not for."""
        host = _PORT.sub("", headers.get("host", ""))
        # A site that makes its own name point here would otherwise be of the same origin.
        if self._settings.is_local and host not in _LOCAL:
            raise ProblemError("misdirected", f"Host is {host!r}, want one of {', '.join(_LOCAL)}")
        site = headers.get("sec-fetch-site", "none")
        if scope["method"] not in ("GET", "HEAD") and site not in ("none", "same-origin"):
            raise ProblemError("foreign-site", f"Sec-Fetch-Site is {site!r}, want same-origin")
        if self._settings.token is not None and not _OPEN.fullmatch(scope["path"]):
            _check_token(headers, self._settings.token.get_secret_value())
        length = headers.get("content-length", "")
        if length.isdecimal():
            _check_length(int(length), self._settings.upload_bytes)

    def _tell(self, visit: "_Visit", scope: Scope) -> None:
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        seconds = time.monotonic() - visit.start
        self._metrics.requests.labels(route, method, visit.status).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        self._metrics.received.inc(visit.received)
        told: dict[str, Any] = {"method": method, "route": route, "status": visit.status}
        told |= {"seconds": round(seconds, 3), "bytes_in": visit.received, "bytes_out": visit.sent}
        quiet = route in ("/healthz", "/readyz", "/metrics") and visit.status == 200
        tell("request", told, level=logging.DEBUG if quiet else logging.INFO)


class _Visit:
    """One request, and how far it has come."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, settings: ServeSettings) -> None:
        self.headers = Headers(scope=scope)
        given = self.headers.get("x-request-id", "")
        self.id = given if _GIVEN_ID.fullmatch(given) else secrets.token_hex(8)
        self.start = time.monotonic()
        self.status, self.received, self.sent = 0, 0, 0
        self._scope, self._receive, self._send, self._settings = scope, receive, send, settings
        self._has_body = True

    async def receive(self) -> Message:
        """Give what comes next; of a body not too much, and not too slowly."""
        if not self._has_body:
            return await self._receive()
        needed = self._settings.upload_seconds + self.received / _LEAST_RATE
        late = get_running_loop().time() + self.start - time.monotonic() + needed
        try:
            async with timeout_at(late):
                message = await self._receive()
        except TimeoutError:
            found = f"{self.received:,} bytes in {time.monotonic() - self.start:.0f} seconds"
            wanted = f"want all in {self._settings.upload_seconds:g}, and 8 more a mebibyte"
            raise ProblemError(
                "slow-upload", f"the body is slow: {found}, {wanted}", {"Connection": "close"}
            ) from None
        self.received += len(message.get("body", b""))
        self._has_body = message.get("more_body", False)
        _check_length(self.received, self._settings.upload_bytes)
        return message

    async def send(self, message: Message) -> None:
        """Pass on an answer, with the headers that all have."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self.id
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        self.sent += len(message.get("body", b""))
        await self._send(message)

    async def fail(self, error: Exception) -> None:
        """Answer with a problem; an answer that has begun already ends where it is."""
        problem = problem_of(error)
        if problem.kind == "fault":
            tell_fault(error)
        if not self.status:
            await problem.response(self.id)(self._scope, self.receive, self.send)


def _check_token(headers: Headers, token: str) -> None:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), token.encode()):
        found = "no bearer token" if scheme.lower() != "bearer" else "another token"
        detail = f"Authorization has {found}, want: Bearer and the server's token"
        raise ProblemError("unauthorized", detail, {"WWW-Authenticate": "Bearer"})


def _check_length(found: int, most: int) -> None:
    if found > most:
        raise ProblemError(
            "too-large", f"the body has {found:,} bytes or more, want at most {most:,}"
        )
