"""Errors as RFC 9457 problem documents, with the sentence that the command line says."""

from collections.abc import Mapping

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from swapfill.errors import (
    ConfigError,
    DeviceError,
    ImageError,
    MaskError,
    NoKnownPatchError,
    OutputError,
    SwapfillError,
)

MEDIA_TYPE = "application/problem+json"

# What each kind means: its status and title. The type of a document is `urn:swapfill:KIND`.
KINDS = {
    "malformed": (400, "The request cannot be read"),
    "unauthorized": (401, "A token is needed"),
    "foreign-site": (403, "Another site may not ask"),
    "not-found": (404, "There is no such thing"),
    "method-not-allowed": (405, "That cannot be done with it"),
    "slow-upload": (408, "The upload took too long"),
    "not-done": (409, "The job is not done"),
    "too-large": (413, "The upload is too large"),
    "media-type": (415, "The request is of no type that is read here"),
    "misdirected": (421, "The server has another name"),
    "settings": (422, "A field or setting is refused"),
    "picture": (422, "A picture is refused"),
    "mask": (422, "The mask is refused"),
    "output": (422, "The result cannot be written"),
    "queue-full": (429, "Too many are waiting"),
    "fault": (500, "A fault of the server's own"),
    "stopping": (503, "The server is stopping"),
    "not-begun": (503, "The work could not begin in time"),
    "out-of-memory": (503, "There is not enough memory"),
    "time-out": (504, "The work took too long"),
}
_OF_ERROR: dict[type[SwapfillError], str] = {
    ConfigError: "settings",
    DeviceError: "settings",
    ImageError: "picture",
    MaskError: "mask",
    NoKnownPatchError: "mask",
    OutputError: "output",
}
_OF_STATUS = {400: "malformed", 404: "not-found", 405: "method-not-allowed", 413: "too-large"}


_LONGEST = 400  # characters of a sentence: it may quote what was sent


class ProblemDocument(BaseModel):
    """What is wrong, as RFC 9457 has it."""

    type: str = Field(examples=["urn:swapfill:mask"])
    title: str
    status: int
    detail: str = Field(description="One line: the input, what was found, what was wanted.")
    instance: str = Field(description="The request: urn:swapfill:request: and its X-Request-ID.")


class ProblemError(Exception):
    """What a client is told instead of an answer.

    Args:
        kind: one of `KINDS`.
        detail: one line that names the input, what was found, what was wanted.
        headers: of the response, besides those of the document.
    """

    def __init__(self, kind: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.kind, self.detail = kind, shorten(detail)
        self.status, self.title = KINDS[kind]
        self.headers = dict(headers or {})

    def response(self, request_id: str) -> JSONResponse:
        """Give the document."""
        document = ProblemDocument(
            type=f"urn:swapfill:{self.kind}",
            title=self.title,
            status=self.status,
            detail=self.detail,
            instance=f"urn:swapfill:request:{request_id}",
        )
        return JSONResponse(document.model_dump(), self.status, self.headers, MEDIA_TYPE)


def shorten(detail: str) -> str:
    """Cut a sentence that quotes too much, in its middle."""
    if len(detail) <= _LONGEST:
        return detail
    return f"{detail[: _LONGEST // 2]} ... {detail[-_LONGEST // 2 :]}"


def problem_of(error: BaseException) -> ProblemError:
    """Say of any exception what a client may know."""
    if isinstance(error, ProblemError):
        return error
    for kind, name in _OF_ERROR.items():
        if isinstance(error, kind):
            return ProblemError(name, str(error))
    if isinstance(error, MemoryError):
        return ProblemError(
            "out-of-memory", "there is not enough memory for it", {"Retry-After": "30"}
        )
    return ProblemError("fault", "a fault of the server's own; its log has the request's id")


def problem_of_status(status: int, detail: str, headers: Mapping[str, str] | None) -> ProblemError:
    """Say what the framework refused by a status alone."""
    return ProblemError(_OF_STATUS.get(status, "malformed"), detail, headers)
