"""The API's description: bodies that FastAPI cannot tell from a signature, and all problems."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from swapfill import __version__
from swapfill.server import preview
from swapfill.server.forms import JOBS, JSON, MULTIPART
from swapfill.server.options import (
    InpaintBody,
    InpaintJobBody,
    InpaintOptions,
    PictureDocument,
    PreviewBody,
    PreviewOptions,
    StyleBody,
    StyleJobBody,
    StyleOptions,
)
from swapfill.server.problems import KINDS, MEDIA_TYPE, ProblemDocument
from swapfill.server.settings import ServeSettings
from swapfill.server.work import MEDIA_TYPES, Workshop

Schema = dict[str, Any]

_REF = "#/components/schemas/{model}"
_FILE = {"type": "string", "format": "binary"}
_BODIES: dict[str, tuple[type[BaseModel], type[BaseModel]]] = {
    "inpaint": (InpaintBody, InpaintOptions),
    "style": (StyleBody, StyleOptions),
    "preview": (PreviewBody, PreviewOptions),
}
_ALWAYS = ("misdirected", "foreign-site", "fault")
OF_PICTURES = ("too-large", "settings", "picture", "mask", "output", "out-of-memory", "time-out")
_OF_WORK = (*("malformed", "slow-upload", "media-type", "queue-full", "stopping"), *OF_PICTURES)
IN_TURN = (*_OF_WORK, "not-begun")
LATER = _OF_WORK
TO_LOOK_AT = tuple(kind for kind in IN_TURN if kind not in ("mask", "output"))


def problems(*kinds: str) -> dict[int | str, Schema]:
    """Describe the problems that a route may answer, as FastAPI's `responses` wants them."""
    found: dict[int | str, Schema] = {}
    for kind in (*kinds, *_ALWAYS):
        status, title = KINDS[kind]
        if status in found:
            title = f"{found[status]['description']}; {title[0].lower()}{title[1:]}"
        content = {MEDIA_TYPE: {"schema": _ref(ProblemDocument)}}
        found[status] = {"description": title, "content": content}
    return found


def pictures() -> dict[int | str, Schema]:
    """Describe an answer that is a picture, in its own format or in JSON."""
    content: Schema = {media_type: {"schema": _FILE} for media_type in MEDIA_TYPES.values()}
    content[JSON] = {"schema": _ref(PictureDocument)}
    return {200: {"description": "The picture, in the format of the one sent", "content": content}}


def previews() -> dict[int | str, Schema]:
    """Describe an answer that any browser shows."""
    content: Schema = {media_type: {"schema": _FILE} for media_type in (preview.JPEG, preview.PNG)}
    about = "The picture in 8 bits, upright; a PNG where something is transparent"
    return {200: {"description": about, "content": content}}


def body_of(kind: str) -> Schema:
    """Describe the body of a route that takes pictures, as FastAPI's `openapi_extra` wants it."""
    return _body(_form(kind), _ref(_BODIES[kind][0]))


def body_of_job() -> Schema:
    """Describe the body of a job of any kind.

    As JSON it is one of two objects. As a form it is one flat list of fields: generators of clients
    do not look for files in a choice between lists.
    """
    forms = [_form(kind) for kind in JOBS]
    kinds = {"kind": {"type": "string", "enum": list(JOBS)}}
    properties = {name: about for form in forms for name, about in form["properties"].items()}
    flat = forms[0] | {"properties": kinds | properties, "required": ["kind", "picture"]}
    documents = [_ref(InpaintJobBody), _ref(StyleJobBody)]
    return _body(flat, {"oneOf": documents, "discriminator": {"propertyName": "kind"}})


def links_of_job() -> dict[int | str, Schema]:
    """Say which routes take the id of a job that was taken."""
    operations = ("job", "job_result", "cancel_job")
    parameters = {"job_id": "$response.body#/id"}
    links = {name: {"operationId": name, "parameters": parameters} for name in operations}
    return {202: {"links": links}}


def describe(app: FastAPI, workshop: Workshop, settings: ServeSettings) -> Schema:
    """Give the whole description, with the names and limits that hold here."""
    schema = get_openapi(
        title="swapfill",
        version=__version__,
        description="Fill holes in pictures. Outside the hole nothing changes.",
        routes=app.routes,
    )
    models: list[type[BaseModel]] = [
        InpaintBody,
        StyleBody,
        InpaintJobBody,
        StyleJobBody,
        PreviewBody,
        PictureDocument,
        ProblemDocument,
    ]
    _, found = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    components = schema.setdefault("components", {})
    components.setdefault("schemas", {}).update(found["$defs"])
    if settings.token is not None:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        _protect(schema)
    _name_choices(schema, workshop, settings)
    return schema


def _protect(schema: Schema) -> None:
    """Say which routes want the token."""
    for path, methods in schema["paths"].items():
        if path in ("/healthz", "/readyz"):
            continue
        for operation in methods.values():
            operation["security"] = [{"token": []}]
            operation["responses"] |= {"401": problems("unauthorized")[401]}


def _name_choices(node: Any, workshop: Workshop, settings: ServeSettings) -> None:
    """Put what can be chosen here wherever a model, a method or styles are described."""
    for part in node.values() if isinstance(node, dict) else node:
        if isinstance(part, dict | list):
            _name_choices(part, workshop, settings)
    properties = node.get("properties") if isinstance(node, dict) else None
    if not properties or "picture" not in properties or "media_type" in properties:
        return
    choices = {"model": workshop.models, "method": [*workshop.models, *workshop.methods]}
    for name, names in choices.items():
        for text in _texts(properties.get(name, {})):
            text["enum"] = names
    if "style" in properties:
        properties["style"]["maxItems"] = settings.styles


def _texts(option: Schema) -> list[Schema]:
    """Give the part of an option's schema that is for text; null may be another."""
    parts = [option, *option.get("anyOf", [])]
    return [part for part in parts if part.get("type") == "string"]


def _body(form: Schema, document: Schema) -> Schema:
    content = {MULTIPART: {"schema": form}, JSON: {"schema": document}}
    return {"requestBody": {"required": True, "content": content}}


def _form(kind: str) -> Schema:
    """Describe the fields of a form: the files, and each option as text."""
    options = _BODIES[kind][1].model_json_schema()["properties"]
    properties: Schema = {"picture": _FILE}
    if kind != "preview":
        properties["mask"] = _FILE
    required = ["picture"]
    if kind == "style":
        properties["style"] = {"type": "array", "items": _FILE, "minItems": 1}
        required.append("style")
    return {
        "type": "object",
        "properties": properties | {name: _given(option) for name, option in options.items()},
        "required": required,
        "additionalProperties": False,
    }


def _given(option: Schema) -> Schema:
    """Say of an option what a form can: not null, and of a list of one not that it is a list."""
    choices = [choice for choice in option.get("anyOf", []) if choice != {"type": "null"}]
    kept = {name: option[name] for name in option if name not in ("anyOf", "default", "title")}
    chosen = choices[0] if choices else {}
    return kept | ({"anyOf": [chosen, chosen["items"]]} if "items" in chosen else chosen)


def _ref(model: type[BaseModel]) -> Schema:
    return {"$ref": _REF.format(model=model.__name__)}
