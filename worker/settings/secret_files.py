"""Secrets that stand in files of their own, and are read again when a file changes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, SecretStr

from worker.process.lazy_log import log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: What a value begins with that stands in a file of its own: a secret, or a map of an account.
FILE: Final = "file:"
#: Seconds from one look at a file to the next.
_EVERY: Final = 1.0
#: A file that changed in the last seconds is read again at the next look: a second change may have the same time.
_RECENT: Final = 2.0


class SecretFileError(Exception):  # never leaves the settings: it becomes an error of a key
    """A file holds no secret that can be used. The reason contains no part of the content."""


class FileSecret(SecretStr):
    """The secret in a file: its value is what the file holds now.

    A file that cannot be read, or is empty, keeps the last value and is logged once: while it is being replaced, the
    old secret is the best one there is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, ...] | None = None
        self._problem = ""
        super().__init__("")
        self._secret_value = self._read()
        self._next = time.monotonic() + _EVERY

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def get_secret_value(self) -> str:
        """Return the secret as the file holds it now."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY
            try:
                self._secret_value, self._problem = self._read(), ""
            except SecretFileError as error:
                if str(error) != self._problem:
                    self._problem = str(error)
                    log.error("secret.unreadable", file=self._path.name, reason=self._problem)
        return self._secret_value

    def _read(self) -> str:
        """Return the content of the file, or the known value while it has not changed."""
        try:
            stat = self._path.stat()
            seen = (stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_ctime_ns)
            if seen == self._seen:
                return self._secret_value
            text = self._path.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            raise SecretFileError("does not exist") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise SecretFileError(f"cannot be read: {reason.lower()}") from None
        if not text:
            raise SecretFileError("is empty")
        self._seen = None if time.time() - stat.st_mtime < _RECENT else seen
        return text


def current_secrets(options: BaseModel) -> tuple[str, ...]:
    """Return the secrets of these options that stand in files, as the files hold them now."""
    return tuple(secret.get_secret_value() for secret in _file_secrets(options))


def _file_secrets(options: BaseModel) -> Iterator[FileSecret]:
    for _, value in options:
        if isinstance(value, FileSecret):
            yield value
