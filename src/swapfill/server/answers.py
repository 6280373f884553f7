"""How a picture is answered: as the file that it is, or in JSON where that is preferred."""

import base64

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from swapfill.server.options import PictureDocument
from swapfill.server.work import Answer


async def picture_of(answer: Answer, request: Request) -> Response:
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
