"""Log lines contain the listed keys, and no secrets or personal data."""

from __future__ import annotations

import io
import itertools
import json
import logging
import re
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from worker.errors import Unavailable
from worker.telemetry import log

if TYPE_CHECKING:
    from collections.abc import Callable

    #: A function that returns the log lines so far.
    Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Lines:
    stream = io.StringIO()
    log.configure("info", "json", stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def stream() -> Any:
    """Return the stream that the log goes to."""
    handler = logging.getLogger().handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    return handler.stream


def logger() -> Any:
    return structlog.get_logger()


def test_a_state_change_is_one_line_of_json(lines: Lines) -> None:
    logger().info("order.delivered", target="store", order="shop-nl:7", attempt=2, seconds=0.25, existed=True)
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "order.delivered",
        "level": "info",
        "target": "store",
        "order": "shop-nl:7",
        "attempt": 2,
        "seconds": 0.25,
        "existed": True,
    }


def test_an_unlisted_key_is_dropped_and_its_name_is_logged(lines: Lines) -> None:
    logger().info("order.accepted", order="shop-nl:7", email="jan@example.com", customer={"name": "Jan"})
    assert "Jan" not in json.dumps(lines())
    assert "jan@" not in json.dumps(lines())
    assert lines()[0]["left_out"] == ["customer", "email"]


def test_a_sentence_is_not_accepted_as_an_event(lines: Lines) -> None:
    logger().info("order of Jan Jansen delivered", order="shop-nl:7")
    assert lines()[0]["event"] == "log.misnamed"
    assert lines()[0]["order"] == "shop-nl:7"
    assert "Jansen" not in json.dumps(lines())


def test_only_the_type_of_an_object_is_logged(lines: Lines) -> None:
    class Buyer:
        def __repr__(self) -> str:
            return "Jan Jansen"

    logger().info("order.accepted", reason=Buyer(), counts={"new": [Buyer()]})
    assert "Jansen" not in json.dumps(lines())
    assert lines()[0]["reason"] == "<Buyer>"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("redis://user:hunter2@host:6379/0", "redis://***@host:6379/0"),
        ("redis://:hunter2@host", "redis://***@host"),
        ("GET /api?apiKey=hunter2&page=2", "GET /api?apiKey=***&page=2"),
        ("X-API-KEY: hunter2", "X-API-KEY: ***"),
        ("{'api_key': 'hunter2', 'page': 1}", "{'api_key': '***', 'page': 1}"),
        ('{"access_token": "hunter2"}', '{"access_token": "***"}'),
        ("Authorization: Bearer hunter2.abc", "Authorization: Bearer ***"),
        ("Authorization: Basic aHVudGVyMg==", "Authorization: Basic ***"),
        ("password=hunter2", "password=***"),
        ("client_secret=hunter2", "client_secret=***"),
        ("POST /oauth/token: status 401, no code", "POST /oauth/token: status 401, no code"),
        ("POST /auth/token: timed out, token: hunter2", "POST /auth/token: timed out, token: ***"),
        ("GET /v1/me/access_token: status 500", "GET /v1/me/access_token: status 500"),
        ("GET /token/token=hunter2", "GET /token/token=***"),
        ("/token:hunter2", "/token:***"),
        ("no customer jan.jansen@mail.example", "no customer ***"),
    ],
)
def test_a_secret_is_masked_anywhere_in_a_line(lines: Lines, text: str, masked: str) -> None:
    logger().warning("provider.failed", reason=text, counts={"x": [text]})
    assert lines()[0]["reason"] == masked
    assert lines()[0]["counts"] == {"x": [masked]}


def test_a_text_that_is_not_searched_contains_no_secret() -> None:
    parts = ["bearer", "token", "api_key", "abcdef123", "@", ":", "=", " ", "/", ".", '"', "\n"]
    for text in map("".join, itertools.product(parts, repeat=3)):
        masked = text
        for pattern, replacement in log._SECRETS:
            masked = pattern.sub(replacement, masked)
        assert log._mask_value(text) == masked


def test_ids_and_cursors_are_not_masked(lines: Lines) -> None:
    cursor = "0123456789abcdef0123456789abcdef.eyJhIjoxfQ=="
    logger().info("provider.polled", cursor=cursor, order="shop-nl:token-7")
    assert (lines()[0]["cursor"], lines()[0]["order"]) == (cursor, "shop-nl:token-7")


def test_a_long_text_is_truncated(lines: Lines) -> None:
    logger().info("provider.failed", reason="x" * 10_000)
    assert len(lines()[0]["reason"]) < 600


def test_our_exceptions_are_quoted_and_others_only_named_with_their_traceback(lines: Lines) -> None:
    def read() -> None:
        raise KeyError("Jan Jansen")

    for fail in (read, lambda: (_ for _ in ()).throw(Unavailable("the connection was refused"))):
        try:
            fail()
        except (KeyError, Unavailable):
            logger().exception("task.failed", task="deliver")
    foreign, ours = lines()
    assert foreign["error"] == "KeyError"
    assert foreign["at"].endswith(" read")
    assert "Jansen" not in json.dumps(foreign)
    assert ours["error"] == "Unavailable: the connection was refused"


def test_celerys_line_about_a_failed_task_loses_the_text_of_the_exception(lines: Lines) -> None:
    celery = logging.getLogger("celery.app.trace")
    log.configure("info", "json", stream())
    try:
        raise ValueError("Jan Jansen, Dam 1")  # noqa: TRY301
    except ValueError as error:
        context = {"name": "tasks.poll", "id": "1-2", "description": "raised unexpected", "exc": repr(error)}
        celery.exception("Task %(name)s[%(id)s] %(description)s: %(exc)s", context)
    (line,) = lines()
    assert line["event"] == "library.logged"
    assert line["message"] == "Task tasks.poll[1-2] raised unexpected: ValueError"
    assert (line["logger"], line["error"]) == ("celery.app.trace", "ValueError")
    assert "Jansen" not in json.dumps(line)


def test_libraries_log_through_our_handler_and_only_from_their_minimum_level(lines: Lines) -> None:
    library_output = io.StringIO()
    for name in ("celery", "kombu.connection", "urllib3.connectionpool"):
        logging.getLogger(name).addHandler(logging.StreamHandler(library_output))
    log.configure("debug", "json", stream())
    logging.getLogger("urllib3.connectionpool").debug("GET /api?apiKey=hunter2")
    logging.getLogger("urllib3.connection").warning("Failed to parse headers (url=http://x/api?apiKey=hunter2)")
    logging.getLogger("celery.worker.strategy").info("Task tasks.poll[1] received")
    logging.getLogger("kombu.connection").warning("lost %s", "redis://:hunter2@host//")
    logging.getLogger("celery").warning("ready")
    assert library_output.getvalue() == ""
    assert [line["message"] for line in lines()] == ["lost redis://***@host//", "ready"]


def test_lines_below_the_level_are_dropped(lines: Lines) -> None:
    logger().debug("provider.skipped")
    assert lines() == []


def test_a_terminal_gets_text(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    log.configure("info", "auto", stream)
    logger().info("order.delivered", order="shop-nl:7")
    assert "order.delivered" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_the_environment_chooses_text_behind_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTAKE_LOG_FORMAT", "text")
    stream = io.StringIO()
    log.configure("info", "auto", stream)
    logger().info("order.delivered", order="shop-nl:7")
    text = stream.getvalue()
    assert "order.delivered" in text
    assert "order=shop-nl:7" in text
    assert "\x1b" not in text


def test_a_library_cannot_fill_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("worker.telemetry.log.time.monotonic", lambda: now[0])
    stream = io.StringIO()
    log.configure("info", "json", stream)
    try:
        for _ in range(10_000):
            logging.getLogger("asyncio").error("socket.accept() out of system resource")
        assert len(stream.getvalue().splitlines()) == 60
        now[0] = 61.0
        logging.getLogger("asyncio").error("another place has its own count")
        logging.getLogger("worker.any").info("poll.finished")
    finally:
        log.configure()
    assert len(stream.getvalue().splitlines()) == 62


@pytest.mark.parametrize(
    ("level", "values", "expected"),
    [
        ("info", {"target": "crm", "order": "shop:1"}, "order.noted target=crm order=shop:1"),
        ("warning", {"reason": "no room"}, 'WARNING order.noted reason="no room"'),
        ("error", {"count": 2, "code": ""}, 'ERROR order.noted count=2 code=""'),
    ],
)
def test_a_line_of_text_has_the_time_the_level_if_it_matters_and_the_values(
    level: str, values: dict[str, object], expected: str
) -> None:
    stream = io.StringIO()
    log.configure("info", "text", stream)
    getattr(logger(), level)("order.noted", **values)
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\dZ {re.escape(expected)}\n", stream.getvalue())


def test_the_usual_line_fits_100_columns_behind_the_name_of_its_process() -> None:
    stream = io.StringIO()
    log.configure("info", "text", stream)
    logger().info("order.delivered", target="warehouse", order="shop-nl:100001", state="delivered")
    assert len(f"worker | {stream.getvalue().rstrip()}") <= 100


def test_the_steps_of_celery_are_no_lines() -> None:
    stream = io.StringIO()
    log.configure("info", "text", stream)
    for name in ("celery.apps.worker", "celery.worker.consumer.connection", "kombu.connection"):
        logging.getLogger(name).info("ready.")
    assert stream.getvalue() == ""
    logging.getLogger("celery.worker").warning("consumer: Connection lost")
    assert "WARNING library.logged" in stream.getvalue()
    assert "Connection lost" in stream.getvalue()
