"""The log: one line for each state change, with nothing in it that is personal or secret."""

from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter

from worker.errors import IntakeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict, Processor, WrappedLogger

    from worker.errors import StoreFull

log = structlog.get_logger()

#: `noun.past_verb`. A sentence made at run time could hold anybody's name, so it is not an event.
_EVENT: Final = re.compile(r"[a-z]+(_[a-z]+)*(\.[a-z]+(_[a-z]+)*)+")
#: All that a line may say: names, ids of orders, states, numbers. What is not here is left out, by its name.
ALLOWED: Final = frozenset(
    """
    event level timestamp logger message error at left_out ours unwanted withdrawn revived
    updating producer job letter bytes jobs hints bad taken
    name subject since what
    provider target account kind lane drain order external_id reference route process pid task exit_code
    attempt tries fence state code reason remedy delay seconds uncertain existed
    page cursor records more due freed buried new same stale changed replaced revived accepted duplicate updated queued
    delivered retried dead malformed filtered unrouted in_doubt held count counts scope limit queue version
    """.split()  # noqa: SIM905  # sixty quoted words read worse
)
_MASK: Final = "***"
_NAMES: Final = "api[_-]?key|token|secret|passw(?:or)?d|pwd|authorization|credential"
_SECRETS: Final[tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]] = (
    # redis://user:password@host
    (re.compile(r"(?<=://)[^/\s@]*:[^/\s@]*@"), f"{_MASK}@"),
    # Authorization: Bearer …, and Basic …
    (re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{6,}", re.IGNORECASE), rf"\1 {_MASK}"),
    # somebody@somewhere.example is not a secret, but somebody
    (re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"), _MASK),
    # api_key=…, "token": "…", X-API-KEY: …; but not what is said of a path: "POST /oauth/token: status 500"
    (
        re.compile(
            rf"""(/[\w.-]*(?:{_NAMES})\w*:(?=\s))|"""
            rf"""((?:{_NAMES})\w*["']?\s*[:=]\s*["']?)(?!(?:bearer|basic)\b)[^\s"',&;]+""",
            re.IGNORECASE,
        ),
        lambda found: found[1] or f"{found[2]}{_MASK}",
    ),
)
#: What no secret is without: a text that has none of it is not searched for any.
_SIGNS: Final = re.compile(r"[@:=\s]")
#: Longer text is somebody's document, not a reason.
_LONGEST: Final = 500
#: Libraries that would repeat each nudge and each call; below an error urllib3 writes whole addresses, keys and all.
_QUIET: Final = {
    "celery.worker.strategy": logging.WARNING,
    "celery.app.trace": logging.WARNING,
    "celery.beat": logging.WARNING,
    "urllib3": logging.ERROR,
}


def configure(level: str = "info", format: str = "auto", stream: TextIO | None = None) -> None:  # noqa: A002  # the name of the setting
    """Send our lines and those of the libraries through one renderer to `stream` (standard error if None).

    Args:
        level: `debug`, `info`, `warning` or `error`.
        format: `json`, `text`, or `auto`: text for a terminal, else JSON. $INTAKE_LOG_FORMAT decides what auto is where
            the terminal is behind a pipe, as under `intake up`.
        stream: Where the lines go.
    """
    stream = stream or sys.stderr
    readable = "text" if stream.isatty() else "json"
    form = (os.environ.get("INTAKE_LOG_FORMAT") or readable) if format == "auto" else format
    before: list[Processor] = [structlog.stdlib.add_log_level, structlog.processors.TimeStamper("iso", utc=True)]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *before, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    render: Processor = structlog.processors.JSONRenderer(ensure_ascii=False, default=_text)
    if form == "text":
        render = structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=20, sort_keys=False)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[*before, _of_a_library],
            processors=[
                ProcessorFormatter.remove_processors_meta,
                _name_event,
                _say_error,
                _keep_allowed,
                _mask,
                render,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    _join_libraries(root.level)


def _join_libraries(level: int) -> None:
    """Take away the libraries' own handlers, so that their lines pass through ours."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in {"celery", "kombu", "urllib3", "billiard", "flower", "tornado"}:
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.propagate = True
            logger.setLevel(logging.NOTSET)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(level, least))


def _of_a_library(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """What a library says is a message, not an event; the text of an exception that is not ours is taken out of it."""
    message, info = str(line["event"]).strip(), line.get("exc_info")
    error = info[1] if isinstance(info, tuple) else None
    if error is not None and not isinstance(error, IntakeError):
        # Celery puts the text of a task's exception into its own line.
        for text in filter(None, (repr(error), str(error))):
            message = message.replace(text, type(error).__name__)
    line.update(event="library.logged", logger=line["_record"].name, message=message.partition("\n")[0])
    return line


def _name_event(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    if _EVENT.fullmatch(str(line.get("event"))) is None:
        line["event"] = "log.misnamed"
    return line


def _say_error(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Of an exception: its kind and its place. Its text only if it is ours, for a stranger's may quote an order."""
    info = line.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    for key in ("stack", "exception", "stack_info"):
        line.pop(key, None)
    if not isinstance(error, BaseException):
        return line
    line["error"] = f"{type(error).__name__}: {error}" if isinstance(error, IntakeError) else type(error).__name__
    trace, places = error.__traceback__, []
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{Path(code.co_filename).name}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    line["at"] = " > ".join(places[-5:])
    return line


def _keep_allowed(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    left_out = sorted(str(key) for key in line.keys() - ALLOWED)
    kept = {key: value for key, value in line.items() if key in ALLOWED}
    return kept | {"left_out": left_out} if left_out else kept


def _mask(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    return {key: _masked(value) for key, value in line.items()}


def _masked(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, dict):
        return {_masked(str(key)): _masked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_masked(item) for item in value]
    text = _text(value)
    if _SIGNS.search(text):
        for pattern, instead in _SECRETS:
            text = pattern.sub(instead, text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _text(value: Any) -> str:
    """Text and ids as they are; of anything else only its kind, for its text could be an order's."""
    if isinstance(value, (str, Path)):
        return str(value)
    return f"<{type(value).__name__}>"


def report_store_full(error: StoreFull, **subject: object) -> None:
    """Log that Redis has no room for what `subject` names."""
    log.error("store.full", **subject, reason=str(error), remedy=error.remedy)
