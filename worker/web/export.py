"""A table as a file to download."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.responses import Response


def csv_file(name: str, lines: Iterable[str]) -> Response:
    """Return the lines of a table as a file of this name."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    # A spreadsheet reads UTF-8 only after this mark.
    return StreamingResponse(chain(["\ufeff"], lines), headers=headers, media_type="text/csv; charset=utf-8")
