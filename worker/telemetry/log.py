"""The log: one line per state change, without personal data and secrets."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import time
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, Final, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter

from worker.errors import IntakeError
from worker.process.output import report_dropped_with
from worker.telemetry.printable import printable
from worker.telemetry.text_line import text_renderer

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict, Processor, WrappedLogger

    from worker.errors import StoreFull

log = structlog.get_logger()

#: The form of an event: `noun.past_verb`. A sentence built at run time could contain a person's name.
_EVENT: Final = re.compile(r"[a-z]+(_[a-z]+)*(\.[a-z]+(_[a-z]+)*)+")
#: The keys that a line may have: names, ids of orders, states, numbers. Any other key is dropped and listed.
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
    # an e-mail address: no secret, but personal data
    (re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"), _MASK),
    # api_key=…, "token": "…", X-API-KEY: …; but not a path followed by a reason: "POST /oauth/token: status 500"
    (
        re.compile(
            rf"""(/[\w.-]*(?:{_NAMES})\w*:(?=\s))|"""
            rf"""((?:{_NAMES})\w*["']?\s*[:=]\s*["']?)(?!(?:bearer|basic)\b)[^\s"',&;]+""",
            re.IGNORECASE,
        ),
        lambda match: match[1] or f"{match[2]}{_MASK}",
    ),
)
#: Every secret pattern needs one of these characters: a text without any of them is not searched.
_SIGNS: Final = re.compile(r"[@:=\s]")
#: Characters of a text that are kept: a longer one is a document, not a reason.
_LONGEST: Final = 500
#: Lines of one place in a library that are written in a minute: outsiders can cause any number of them.
_MOST_LINES: Final = 60
_MINUTE: Final = 60.0
#: The packages whose lines are ours.
_OURS: Final = frozenset({"intake_orders", "schemas", "tasks", "worker"})
#: The reason for which lines are missing from the log.
_DROPPED: Final = "nobody read the log, or it could not be written"
#: Minimum levels of libraries: Celery would log each nudge, and each of its steps. Below an error urllib3 logs whole
#: URLs with keys.
_MINIMUM_LEVELS: Final = {
    "celery": logging.WARNING,
    "kombu": logging.WARNING,
    "urllib3": logging.ERROR,
}


def configure(level: str = "info", format: str = "auto", stream: TextIO | None = None) -> None:  # noqa: A002  # the name of the setting
    """Send our lines and those of libraries through one renderer to `stream`, or to standard error.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        format: `json`, `text`, or `auto`: text for a terminal, else JSON. $INTAKE_LOG_FORMAT overrides `auto`, because
            under `intake up` the terminal is behind a pipe.
        stream: The destination of the lines.
    """
    stream = stream or sys.stderr
    # Commands escape styles in their output. Values are escaped here, and the styles of a line are ours.
    stream = getattr(stream, "styled", stream)
    default = "text" if stream.isatty() else "json"
    chosen = (os.environ.get("INTAKE_LOG_FORMAT") or default) if format == "auto" else format
    stamp = structlog.processors.TimeStamper("iso", utc=True)
    before: list[Processor] = [structlog.stdlib.add_log_level, stamp]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *before, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    render: Processor = structlog.processors.JSONRenderer(ensure_ascii=False, default=_text)
    if chosen == "text":
        render = text_renderer(colours=stream.isatty())
    handler = _Handler(stream)
    handler.addFilter(_Bounded())
    ours: list[Processor] = [ProcessorFormatter.remove_processors_meta, _name_event, _describe_error, _keep_allowed]
    handler.setFormatter(ProcessorFormatter(foreign_pre_chain=[*before, _library_event], processors=[*ours, render]))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    _join_libraries(root.level)
    logging.captureWarnings(capture=True)

    def dropped(count: int) -> str:
        line: EventDict = {"event": "log.dropped", "level": "warning", "count": count, "reason": _DROPPED}
        return str(render(None, "warning", stamp(None, "warning", line))) + "\n"

    report_dropped_with(dropped)


class _Bounded(logging.Filter):
    """Pass a few lines a minute of each place in a library; the next one after that says how many were left out."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is written."""
        if record.name.partition(".")[0] in _OURS:
            return True
        place, now = (record.pathname, record.lineno), time.monotonic()
        began, count = self._seen.get(place, (now, 0))
        if now - began >= _MINUTE:
            began, left_out, count = now, count - _MOST_LINES, 0
            if left_out > 0:
                record.msg, record.args = f"{record.getMessage()} ({left_out} more such lines were left out)", None
        self._seen[place] = began, count + 1
        return count < _MOST_LINES


class _Handler(logging.StreamHandler[TextIO]):
    """Write lines to the stream. Of a line that cannot be formatted, name only the logger: Python prints its values."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # the name of Python
        with contextlib.suppress(OSError, ValueError):
            self.stream.write(f"log.unreadable logger={record.name} error={type(sys.exc_info()[1]).__name__}\n")


def _join_libraries(level: int) -> None:
    """Remove the handlers of libraries, so that their lines pass through ours."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in {"celery", "kombu", "urllib3", "billiard", "flower", "tornado"}:
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.propagate = True
            logger.setLevel(logging.NOTSET)
    for name, minimum in _MINIMUM_LEVELS.items():
        logging.getLogger(name).setLevel(max(level, minimum))


def _library_event(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Make the text of a library's line its message, without the text of an exception that is not ours."""
    message, info = str(line["event"]).strip(), line.get("exc_info")
    error = info[1] if isinstance(info, tuple) else None
    if error is not None and not isinstance(error, IntakeError):
        # Celery includes the text of a task's exception in its line.
        for text in filter(None, (repr(error), str(error))):
            message = message.replace(text, type(error).__name__)
    line.update(event="library.logged", logger=line["_record"].name, message=message.partition("\n")[0])
    return line


def _name_event(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    if _EVENT.fullmatch(str(line.get("event"))) is None:
        line["event"] = "log.misnamed"
    return line


def _describe_error(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Replace an exception by its type and traceback. Keep its text only if it is ours: others may quote an order."""
    info = line.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    for key in ("stack", "exception", "stack_info"):
        line.pop(key, None)
    if not isinstance(error, BaseException):
        return line
    line["error"] = f"{type(error).__name__}: {error}" if isinstance(error, IntakeError) else type(error).__name__
    frames = [(frame.f_code, number) for frame, number in walk_tb(error.__traceback__)][-5:]
    line["at"] = " > ".join(f"{Path(code.co_filename).name}:{number} {code.co_name}" for code, number in frames)
    return line


def _keep_allowed(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Keep and mask the values of the allowed keys; list the other keys."""
    kept = {key: _mask_value(value) for key, value in line.items() if key in ALLOWED}
    left_out = sorted(str(key) for key in line.keys() - ALLOWED)
    return kept | {"left_out": _mask_value(left_out)} if left_out else kept


def _mask_value(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, dict):
        return {_mask_value(str(key)): _mask_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_mask_value(item) for item in value]
    text = printable(_text(value))
    if _SIGNS.search(text):
        for pattern, replacement in _SECRETS:
            text = pattern.sub(replacement, text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _text(value: Any) -> str:
    """Return texts and paths unchanged, and only the type of any other value: its text could come from an order."""
    if isinstance(value, (str, Path)):
        return str(value)
    return f"<{type(value).__name__}>"


def report_store_full(error: StoreFull, **subject: object) -> None:
    """Log that Redis has no room for what `subject` names."""
    log.error("store.full", **subject, reason=str(error), remedy=error.remedy)
