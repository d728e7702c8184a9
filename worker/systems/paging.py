"""The position in a list that is read by take and skip, has no total, and changes while it is read."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The overlap of two pages is the rows of a page divided by this: so many rows may leave the list in between.
OVERLAP: Final = 10
#: A server that returns the same rows this often in a row ignores skip. (A list that grows exactly as fast as it is
#: read looks the same; the next pass reads the rest.)
MOST_SAME: Final = 3


class ListPosition(BaseModel):
    """The page that begins at `skip`; `overlap` of its rows were on the page before as well.

    Only an empty page is the end: a short one may be due to an undocumented maximum of `take`. A row that is added at
    the front pushes others to later pages, where they are read twice. A row that leaves the list pulls others to pages
    that were read already; the overlap covers that, up to its size.
    """

    model_config = ConfigDict(frozen=True)

    skip: int = 0
    overlap: int = 0
    #: A digest of the ids on the page before, and how often it was repeated.
    page: str = ""
    same: int = 0

    def after(self, ids: Sequence[str]) -> ListPosition | None:
        """Return the next position after a page with these `ids`; None at the end."""
        page = hashlib.blake2b("\n".join(sorted(ids)).encode("utf-8", "replace"), digest_size=8).hexdigest()
        same = self.same + 1 if page == self.page else 0
        if not ids or same == MOST_SAME:
            return None
        # Not more rows than the overlap: this is probably the end, so the next page starts after it without an overlap.
        overlap = len(ids) // OVERLAP if len(ids) > self.overlap else 0
        return ListPosition(skip=self.skip + len(ids) - overlap, overlap=overlap, page=page, same=same)
