"""The partner's log file: named events as JSON lines, never personal data."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import structlog


def open_log(path: Path) -> tuple[structlog.types.FilteringBoundLogger, TextIO]:
    """A logger that appends to the file, and the file to close at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a", encoding="utf-8", buffering=1)
    processors: list[structlog.types.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
    wrapper = structlog.make_filtering_bound_logger(20)
    return structlog.wrap_logger(structlog.WriteLogger(file), processors, wrapper_class=wrapper), file
