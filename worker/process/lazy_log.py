"""The log for modules of every command: structlog is imported by the first line that is written."""

from __future__ import annotations

from typing import Any, Final


class _Log:
    """Write lines as a logger of structlog does."""

    def __getattr__(self, level: str) -> Any:
        import structlog

        return getattr(structlog.get_logger(), level)


log: Final[Any] = _Log()
