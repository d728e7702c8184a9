"""Serve the style sheet, the script and the icon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from worker.web.page import Page, missing
from worker.web.static import FILES

if TYPE_CHECKING:
    from worker.web.visit import Visit

#: The path of a file names its content, so browsers may keep it.
_KEPT: Final = {"Cache-Control": "public, max-age=31536000, immutable"}


def _show(visit: Visit) -> Response:
    file = FILES.get(visit.values["name"])
    if file is None:
        raise missing("This file")
    kept = _KEPT if visit.path == file.url else {}
    return Response(file.content, media_type=file.type, headers=kept)


PAGES: Final = (Page("/static/{digest}/{name}", _show, "everybody"),)
