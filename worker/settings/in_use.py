"""The settings in use: a copy of `intake.toml`, as the processes of this host read it last.

A person may edit the file at any time. Until the processes take it over, their settings are those of the copy.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from worker.process.reloader import Reloader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from worker.settings.load import Settings

#: Names the copy that a process reads instead of the file: `intake up` sets it for the processes that it starts.
VARIABLE: Final = "INTAKE_IN_USE"
_COPY: Final = "in-use.toml"
#: Tables that differ from host to host: the addresses of Redis and of the broker.
_OF_THE_HOST: Final = frozenset({"redis", "celery"})
#: Where the copy is if its file cannot be read any more: only this line of it is needed.
_DATA_DIR: Final = re.compile(r"""^\s*data_dir\s*=\s*["']([^"'\n]+)["']""", re.MULTILINE)


def copy_of(data_dir: Path) -> Path:
    """Return the path of the copy."""
    return data_dir / _COPY


def fingerprint(values: Mapping[str, Any]) -> str:
    """Return a short text that two files have in common if they say the same of accounts, routes and clocks."""
    common = {name: value for name, value in values.items() if name not in _OF_THE_HOST}
    text = json.dumps(common, sort_keys=True, default=str, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def save(file: str, text: str, copy: Path) -> bool:
    """Write the text of the file as the copy, with the file's permissions. Return False if that is not possible."""
    new = copy.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        copy.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as output:
            output.write(text)
            os.fchmod(output.fileno(), Path(file).stat().st_mode & 0o666)
        new.replace(copy)
        return True
    return False


def take_over(settings: Settings, role: str, stop: Callable[[], object]) -> Reloader | None:
    """Keep a copy of the settings of this process, and return what heeds a reload of them by `stop`.

    Return None for a process that `intake up` started, and starts again for a reload.
    """
    if VARIABLE in os.environ:
        return None
    copy = copy_of(settings.data_dir)
    save(settings.file, settings.text, copy)
    return Reloader(settings.data_dir, copy, role, stop)


def find_copy(file: Path, environ: Mapping[str, str]) -> Path | None:
    """Return the copy of a file whose settings cannot be read; None if there is none."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    written = match[1] if (match := _DATA_DIR.search(text)) else ".intake"
    copy = copy_of(file.absolute().parent / (environ.get("INTAKE_DATA_DIR") or written))
    return copy if copy.is_file() else None
