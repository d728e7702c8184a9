"""The files that every page loads: one style sheet, one script, one icon."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final, NamedTuple

_FOLDER: Final = Path(__file__).with_name("static")
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class File(NamedTuple):
    """A file, its type, and the path that it is served at."""

    content: bytes
    type: str
    url: str


def _read(path: Path) -> File:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:12]
    return File(content, _TYPES[path.suffix], f"/static/{digest}/{path.name}")


FILES: Final = {path.name: _read(path) for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES}
