"""Logs: to stderr, redacted, in one format whoever writes them."""

import json
import logging
from collections.abc import Iterator

import pytest
import stamina
import structlog
from opentelemetry import trace

from mcp_server import log


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    """Put logging back as it was."""
    root, ours = logging.getLogger(), logging.getLogger(log.OURS)
    handlers, level = root.handlers[:], root.level
    hooks = stamina.instrumentation.get_on_retry_hooks()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    ours.setLevel(logging.NOTSET)
    stamina.instrumentation.set_on_retry_hooks(hooks)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """Read what was logged; nothing may be on stdout."""
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_a_line_is_json_with_its_facts(capsys: pytest.CaptureFixture[str]) -> None:
    """As an operator's tools read it."""
    log.configure("info", "json")
    structlog.stdlib.get_logger("x").info("tool_call", tool="get_connector", milliseconds=1.5)

    (line,) = lines(capsys)
    assert line["event"] == "tool_call"
    assert line["tool"] == "get_connector"
    assert line["level"] == "info"
    assert line["logger"] == "x"
    assert "timestamp" in line


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Ours and those of libraries."""
    log.configure("warning", "json")
    structlog.stdlib.get_logger("x").info("quiet")
    logging.getLogger("library").info("quiet")
    logging.getLogger("library").warning("loud")

    assert [line["event"] for line in lines(capsys)] == ["loud"]


def test_urls_that_the_http_library_logs_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Its INFO lines have every URL."""
    log.configure("info", "json")
    logging.getLogger("httpx").info("HTTP Request: GET https://api.example/secret-id")

    assert lines(capsys) == []


def test_debug_is_for_our_own_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Those of libraries show headers and bodies."""
    log.configure("debug", "json")
    structlog.stdlib.get_logger("mcp_server.x").debug("ours")
    for name in ("httpcore.http11", "sse_starlette.sse", "hpack", "library"):
        logging.getLogger(name).debug("Authorization: Basic canary")
    logging.getLogger("library").info("theirs")

    assert [line["event"] for line in lines(capsys)] == ["ours", "theirs"]


def test_a_line_names_the_span_it_belongs_to(capsys: pytest.CaptureFixture[str]) -> None:
    """As collectors look for it; without a span it names none."""
    log.configure("info", "json")
    context = trace.SpanContext(0xABC, 0xDEF, is_remote=False)
    with trace.use_span(trace.NonRecordingSpan(context)):
        structlog.stdlib.get_logger("x").info("inside")
        logging.getLogger("library").info("inside")
    structlog.stdlib.get_logger("x").info("outside")

    *inside, outside = lines(capsys)
    for line in inside:
        assert line["trace_id"] == f"{0xABC:032x}"
        assert line["span_id"] == f"{0xDEF:016x}"
    assert "trace_id" not in outside


def test_secrets_do_not_reach_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither by name nor inside a text nor in what a library says."""
    log.configure("info", "json")
    structlog.stdlib.get_logger("x").info("event", api_key="canary1", url="https://u:canary2@h")
    logging.getLogger("library").warning("Authorization: Basic canary3canary3")

    shown = json.dumps(lines(capsys))
    assert "canary" not in shown
    assert "[redacted]" in shown


def test_a_line_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody can forge a second one with a line break or an escape sequence."""
    log.configure("info", "console")
    structlog.stdlib.get_logger("x").info("event", name="a\nforged\x1b[31m")

    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert "\x1b[31m" not in captured.err


def test_a_crash_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """It is what the operator needs; credentials in it are redacted."""
    log.configure("info", "json")
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError("x://u:canary@h")
    structlog.stdlib.get_logger("x").error("crashed", exc_info=caught.value)

    (line,) = lines(capsys)
    assert "test_log.py" in str(line["exception"])
    assert "canary" not in str(line)


def test_uvicorns_coloured_copy_of_a_message_is_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It says the same twice."""
    log.configure("info", "json")
    logging.getLogger("uvicorn.error").info("started", extra={"color_message": "\x1b[1mstarted"})

    (line,) = lines(capsys)
    assert "color_message" not in line


async def test_a_retry_is_logged_without_the_request(capsys: pytest.CaptureFixture[str]) -> None:
    """Its address would be in it."""
    log.configure("info", "json")

    async def fail(request: str) -> None:
        raise ConnectionError(request)

    with pytest.raises(ConnectionError):
        await stamina.AsyncRetryingCaller(attempts=2).on(ConnectionError)(fail, "canary")

    (first, *_) = lines(capsys)
    assert first["event"] == "fivetran_retry"
    assert first["attempt"] == 1
    assert first["error"] == "ConnectionError"
    assert "canary" not in str(first)
