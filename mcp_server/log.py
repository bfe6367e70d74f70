"""Logs: structlog to stderr, never stdout, which belongs to the protocol.

Lines of libraries that use the standard library's logging come out the same way.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog
from opentelemetry import trace
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from mcp_server.untrusted import REDACTED, clean, is_secret_name, scrub

_log = structlog.stdlib.get_logger("mcp_server.log")

QUIET: Final = ("httpx", "httpx2", "httpcore", "httpcore2", "uvicorn.access", "mcp")
"""Libraries whose INFO lines say what ours say better, some of them with URLs."""
OURS: Final = "mcp_server"
"""Whose lines may be of the level debug: those of libraries show headers, bodies and so credentials."""


def add_trace(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Say to which span a line belongs, if there are any."""
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"] = trace.format_trace_id(span.trace_id)
        event["span_id"] = trace.format_span_id(span.span_id)
    return event


def redact_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace what has a secret's name, and credentials inside texts."""
    event.pop("color_message", None)  # uvicorn's second copy of its message
    for key, value in event.items():
        if is_secret_name(key):
            event[key] = REDACTED
        elif isinstance(value, str):
            # A traceback has lines, everything else is one.
            event[key] = scrub(value) if key == "exception" else clean(scrub(value), 2000)
    return event


def log_retry(details: RetryDetails) -> None:
    """Log that a request is sent again; stamina's own hook would show the request."""
    _log.warning(
        "fivetran_retry",
        attempt=details.retry_num,
        wait_seconds=round(details.wait_for, 2),
        error=type(details.caused_by).__name__,
    )


def configure(level: str, style: str) -> None:
    """Send all logs of this process to stderr, from `level` up, as `console` or `json` lines."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        add_trace,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.format_exc_info,
        redact_event,
    ]
    render: Any = structlog.processors.JSONRenderer(ensure_ascii=False)
    if style == "console":
        render = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    logging.getLogger(OURS).setLevel(level.upper())
    root.setLevel(max(logging.INFO, logging.getLogger(OURS).level))
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    set_on_retry_hooks([log_retry])
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
