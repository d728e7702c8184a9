"""Where to go on in a list that is read by take and skip, has no total, and moves while it is read."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Sequence

#: One row in so many of a page is read again with the next: so many may leave the list between the two.
OVERLAP: Final = 10
#: A page of the very same rows, so often in a row, is a server that does not heed skip. (A list into which rows come
#: exactly as fast as it is read looks the same; the next pass reads the rest.)
MOST_SAME: Final = 3


class ListPosition(BaseModel):
    """The page that begins at `skip`; `overlap` of its rows stood on the page before, too.

    A short page may be the end, or a cap on `take` that nobody documents: only an empty one is the end. What comes in
    at the front pushes rows to later pages, where they are read twice. What leaves the list pulls rows over to pages
    that were read already: as long as that is no more than the overlap, it is made up for.
    """

    model_config = ConfigDict(frozen=True)

    skip: int = 0
    overlap: int = 0
    #: A digest of the ids on the page before, and how often it came again.
    page: str = ""
    same: int = 0

    def after(self, ids: Sequence[str]) -> ListPosition | None:
        """The place to read on from when `ids` were on this page; None at the end."""
        page = hashlib.blake2b("\n".join(sorted(ids)).encode("utf-8", "replace"), digest_size=8).hexdigest()
        same = self.same + 1 if page == self.page else 0
        if not ids or same == MOST_SAME:
            return None
        # No more than was read before: probably the end, so the next step leaves nothing out, but repeats nothing.
        overlap = len(ids) // OVERLAP if len(ids) > self.overlap else 0
        return ListPosition(skip=self.skip + len(ids) - overlap, overlap=overlap, page=page, same=same)
