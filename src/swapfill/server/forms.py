"""A request's body, multipart or JSON, made an order; nothing of it touches a disk."""

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from swapfill.server.options import InpaintOptions, PreviewOptions, StyleOptions
from swapfill.server.problems import ProblemError
from swapfill.server.work import Order

MULTIPART, JSON = "multipart/form-data", "application/json"

_FILES = ("picture", "mask", "style")
_OPTIONS: dict[str, type[InpaintOptions | StyleOptions | PreviewOptions]] = {
    "inpaint": InpaintOptions,
    "style": StyleOptions,
    "preview": PreviewOptions,
}
JOBS = ("inpaint", "style")  # that can be asked for as one
_MOST_FIELDS = 128
_LONGEST_FIELD = 4096


@dataclass
class _Fields:
    """What a body holds, whatever its type was."""

    strict: bool  # values have types of their own; those of a form are text
    files: dict[str, list[bytes]] = field(default_factory=lambda: {name: [] for name in _FILES})
    values: dict[str, Any] = field(default_factory=dict)

    def one_file(self, name: str) -> bytes | None:
        found = self.files[name]
        if len(found) > 1:
            raise _refused(name, f"is given {len(found)} times, want once")
        return found[0] if found else None


async def read_order(request: Request, kind: str | None, styles: int) -> Order:
    """Read the body of a request.

    Args:
        request: whose body has not been read.
        kind: what is asked for, inpaint, style or preview; None: the body says so, as a job's does.
        styles: at most so many.

    Raises:
        ProblemError: the body is of another type, cannot be read, or a field is missing, unknown,
            repeated or refused.
        ConfigError: an option is unknown or refused.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == MULTIPART:
        form = await _form(request, styles)
        try:
            fields = _of_form(form)
        finally:
            await form.close()
    elif media_type == JSON:
        fields = await run_in_threadpool(_of_json, await request.body())
    else:
        found = repr(media_type) if media_type else "not given"
        raise ProblemError("media-type", f"Content-Type is {found}, want {MULTIPART} or {JSON}")
    return _order(fields, kind or _kind(fields), styles)


def _order(fields: _Fields, kind: str, styles: int) -> Order:
    picture, mask, style = (
        fields.one_file("picture"),
        fields.one_file("mask"),
        fields.files["style"],
    )
    options = _OPTIONS[kind].read(fields.values, "request", strict=fields.strict)
    if picture is None:
        raise _refused("picture", "is missing, want a picture file")
    if kind != "style" and style:
        raise _refused("style", "is given, want none: nothing is to be styled")
    if kind == "preview" and mask is not None:
        raise _refused("mask", "is given, want none: nothing is to be filled")
    if kind == "style" and not 1 <= len(style) <= styles:
        raise _refused("style", f"is given {len(style)} times, want 1 to {styles} picture files")
    return Order(options, picture, mask, tuple(style))


def _kind(fields: _Fields) -> str:
    kind = fields.values.pop("kind", None)
    if not isinstance(kind, str) or kind not in JOBS:
        found = "is missing" if kind is None else f"is {kind!r}"
        raise _refused("kind", f"{found}, want one of {', '.join(JOBS)}")
    return kind


async def _form(request: Request, styles: int) -> FormData:
    parser = MultiPartParser(
        request.headers,
        request.stream(),
        max_files=len(_FILES) + styles,
        max_fields=_MOST_FIELDS,
        max_part_size=_LONGEST_FIELD,
    )
    parser.spool_max_size = 1 << 62  # in memory alone: pictures are nobody else's business
    try:
        return await parser.parse()
    except MultiPartException as error:
        raise ProblemError("malformed", f"the form cannot be read: {error.message}") from None


def _of_form(form: FormData) -> _Fields:
    fields = _Fields(strict=False)
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if name not in _FILES:
                raise _refused(name, "is a file, want a value")
            content = value.file.read()
            if content or value.filename:  # browsers send an empty one for what was not chosen
                fields.files[name].append(content)
        elif name in _FILES:
            raise _refused(name, "is a value, want a file")
        elif name == "weights":
            fields.values.setdefault(name, []).append(value)
        elif name in fields.values:
            raise _refused(name, "is given more than once, want once")
        else:
            fields.values[name] = value
    return fields


def _of_json(body: bytes) -> _Fields:
    try:
        values = from_json(body)
    except ValueError as error:
        raise ProblemError("malformed", f"the JSON cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise ProblemError("malformed", f"the JSON is a {type(values).__name__}, want an object")
    fields = _Fields(strict=True)
    for name in _FILES:
        given = values.pop(name, None)
        if name == "style" and given is not None and not isinstance(given, list):
            raise _refused(name, f"is a {type(given).__name__}, want a list")
        several = given if isinstance(given, list) and name == "style" else [given]
        fields.files[name] = [_decoded(name, one) for one in several if one is not None]
    fields.values = values
    return fields


def _decoded(name: str, text: Any) -> bytes:
    if not isinstance(text, str):
        raise _refused(name, f"is a {type(text).__name__}, want a picture file in base64")
    if not text:
        raise _refused(name, "is empty, want a picture file in base64")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _refused(name, f"is no base64: {str(error).lower()}") from None


def _refused(name: str, why: str) -> ProblemError:
    return ProblemError("settings", f"request: {name} {why}")
