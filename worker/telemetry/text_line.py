"""A line of the log as text, for people: time, level if it matters, event, and the values by name."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

#: Levels that a line names, and their colours on a terminal.
_COLOURS: Final = {"warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
_DIM, _BOLD, _PLAIN = "\x1b[2m", "\x1b[1m", "\x1b[0m"

#: What is written without quotes.
_PLAIN_TEXT: Final = re.compile(r'[^\s"]+')


def text_renderer(*, colours: bool) -> Processor:
    """Return the renderer of lines such as `2026-11-30 15:16:23Z order.delivered target=warehouse order=shop:35`."""

    def render(_: WrappedLogger, __: str, line: EventDict) -> str:
        level = str(line.pop("level", ""))
        moment = f"{str(line.pop('timestamp', ''))[:19].replace('T', ' ')}Z"
        event = str(line.pop("event", ""))
        named = f"{level.upper()} " if level in _COLOURS else ""
        values = " ".join(f"{name}={_text(value)}" for name, value in line.items() if name != "logger" or not named)
        if not colours:
            return f"{moment} {named}{event} {values}".rstrip()
        colour = _COLOURS.get(level, "")
        return f"{_DIM}{moment}{_PLAIN} {colour}{named}{_BOLD}{event}{_PLAIN} {values}".rstrip()

    return render


def _text(value: Any) -> str:
    """Return a value as it is; in quotes if it is empty or has blanks, quotes or line feeds, so that it stays one."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return json.dumps(text, ensure_ascii=False) if isinstance(value, str) and not _PLAIN_TEXT.fullmatch(text) else text
