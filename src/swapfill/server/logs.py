"""Structured logs: one JSON object a line, on stderr; never a picture, a mask or a file's name."""

import json
import logging
import sys
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

# Of the request that is answered at the moment; the thread that does its work carries it on.
request_id: ContextVar[str] = ContextVar("request_id", default="")

log = logging.getLogger("swapfill.server")


class JsonLines(logging.Formatter):
    """A record as one line of JSON: its message is the event, `extra={"of": {...}}` the rest."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        seconds, rest = divmod(record.created, 1)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        line: dict[str, Any] = {
            "time": f"{stamp}.{int(rest * 1000):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if asked := request_id.get():
            line["request_id"] = asked
        line |= getattr(record, "of", {})
        if record.exc_info:
            line["fault"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def tell(event: str, of: Mapping[str, Any] = {}, *, level: int = logging.INFO) -> None:
    """Log an event and what is known of it."""
    log.log(level, event, extra={"of": of})


def start_logging() -> None:
    """Send what this package and the web server log to stderr, as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name, level in (("swapfill", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)


def tell_fault(error: BaseException) -> None:
    """Log an exception that should not have been, with its traceback."""
    log.error("fault", exc_info=error)
