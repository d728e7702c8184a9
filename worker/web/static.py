"""The files that every page loads: one style sheet, one script, one icon."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.responses import Response

from worker.web.page import Page, missing

if TYPE_CHECKING:
    from worker.web.visit import Visit

_FOLDER: Final = Path(__file__).with_name("static")
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
#: The path of a file names its content, so browsers may keep it.
_KEPT: Final = {"Cache-Control": "public, max-age=31536000, immutable"}


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


def _show(visit: Visit) -> Response:
    file = FILES.get(visit.values["name"])
    if file is None:
        raise missing("This file")
    kept = _KEPT if visit.path == file.url else {}
    return Response(file.content, media_type=file.type, headers=kept)


PAGES: Final = (Page("/static/{digest}/{name}", _show, "everybody"),)
