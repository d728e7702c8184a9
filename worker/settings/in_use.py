"""The settings in use: a copy of `intake.toml`, as the processes of this host read it last.

A person may edit the file at any time. Until the processes take it over, their settings are those of the copy.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Names the copy that a process reads instead of the file: `intake up` sets it for the processes that it starts.
VARIABLE: Final = "INTAKE_IN_USE"
_COPY: Final = "in-use.toml"
#: Where the copy is if its file cannot be read any more: only this line of it is needed.
_DATA_DIR: Final = re.compile(r"""^\s*data_dir\s*=\s*["']([^"'\n]+)["']""", re.MULTILINE)


def copy_of(data_dir: Path) -> Path:
    """Return the path of the copy."""
    return data_dir / _COPY


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


def find_copy(file: Path, environ: Mapping[str, str]) -> Path | None:
    """Return the copy of a file whose settings cannot be read; None if there is none."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    written = match[1] if (match := _DATA_DIR.search(text)) else ".intake"
    copy = copy_of(file.absolute().parent / (environ.get("INTAKE_DATA_DIR") or written))
    return copy if copy.is_file() else None
