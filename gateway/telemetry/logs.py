"""Set logging up: one JSON object a line for machines, plain lines for a terminal.

Both go to standard error. Messages of libraries pass through the same formatter, so that nothing
else is ever mixed into the JSON.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import TextIO

import msgspec

from gateway.telemetry.access import Format


class JsonFormatter(logging.Formatter):
    """One JSON object a record, with the traceback, if any, as one string."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        fields: dict[str, object] = {
            "event": "log",
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(fields).decode()


class TextFormatter(logging.Formatter):
    """A time, a level where it matters, and the message."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        at = time.strftime("%H:%M:%S", time.localtime(record.created))
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        text = f"{at}  {level}{record.getMessage()}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def chosen_format(configured: str, stream: TextIO) -> Format:
    """`auto` is text on a terminal and JSON everywhere else."""
    if configured == "json" or (configured == "auto" and not stream.isatty()):
        return "json"
    return "text"


def set_up(level: str, format: Format) -> None:
    """Replace whatever handlers there are."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    # Their start-up chatter says what our own banner says better.
    for name in ("uvicorn", "uvicorn.error", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
