"""The position in a list that is read in pages: by their numbers, or by take and skip."""

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


class PagePosition(BaseModel):
    """The next page of a list that is read by page numbers.

    The number of a page depends on its size, so the position counts rows: `skip` of them were read. After a page that
    could not be read, at most `most` rows are requested at once; then more with each page that could. The size of such
    a page divides `skip`, and the page ends where a usual one begins, at the latest. The same holds after a change of
    the setting. `proof` is a row that could be read while others could not (see `worker/systems/narrowing.py`).
    """

    model_config = ConfigDict(defer_build=True, frozen=True)

    skip: int = 0
    most: int = 0
    proof: int = 0

    def size(self, usual: int) -> int:
        """Return the number of rows to request."""
        most = min(self.most or usual, usual)
        if most == usual and self.skip % usual == 0:
            return usual
        divisor = self.skip & -self.skip or most
        return 1 << (min(most, divisor, usual - self.skip % usual).bit_length() - 1)

    def number(self, usual: int) -> int:
        """Return the number of the page, from 1 on."""
        return self.skip // self.size(usual) + 1

    def smaller(self, usual: int) -> PagePosition:
        """Return the position with at most half of the rows."""
        return self.model_copy(update={"most": self.size(usual) // 2})

    def after(self, usual: int) -> PagePosition:
        """Return the next position."""
        size = self.size(usual)
        most = max(self.most, 2 * size) if self.most else 0
        if most >= usual:
            return PagePosition(skip=self.skip + size)
        return self.model_copy(update={"skip": self.skip + size, "most": most})

    def front(self, usual: int) -> PagePosition:
        """Return the position at the front of the list, with the size that the next position has."""
        return PagePosition(most=self.after(usual).most)


class ListPosition(BaseModel):
    """The page that begins at `skip`, of a list without a total; `overlap` of its rows were on the page before as well.

    Only an empty page is the end: a short one may be due to an undocumented maximum of `take`. A row that is added at
    the front pushes others to later pages, where they are read twice. A row that leaves the list pulls others to pages
    that were read already; the overlap covers that, up to its size.

    After a page that could not be read, at most `most` rows are requested at once, without an overlap; then more with
    each page that could. `proof` is as in `PagePosition`.
    """

    model_config = ConfigDict(defer_build=True, frozen=True)

    skip: int = 0
    overlap: int = 0
    #: A digest of the ids on the page before, and how often it was repeated.
    page: str = ""
    same: int = 0
    most: int = 0
    proof: int = 0

    def size(self, usual: int) -> int:
        """Return the number of rows to request."""
        return min(self.most or usual, usual)

    def smaller(self, usual: int) -> ListPosition:
        """Return the position with at most half of the rows."""
        return self.model_copy(update={"most": self.size(usual) // 2})

    def after_part(self, rows: int, usual: int) -> ListPosition | None:
        """Return the next position after a page that was smaller than usual; None at the end."""
        if not rows:
            return None
        most = 2 * self.size(usual)
        if most >= usual:
            return ListPosition(skip=self.skip + rows)
        return ListPosition(skip=self.skip + rows, most=most, proof=self.proof)

    def after(self, ids: Sequence[str]) -> ListPosition | None:
        """Return the next position after a page with these `ids`; None at the end."""
        page = hashlib.blake2b("\n".join(sorted(ids)).encode("utf-8", "replace"), digest_size=8).hexdigest()
        same = self.same + 1 if page == self.page else 0
        if not ids or same == MOST_SAME:
            return None
        # Not more rows than the overlap: this is probably the end, so the next page starts after it without an overlap.
        overlap = len(ids) // OVERLAP if len(ids) > self.overlap else 0
        return ListPosition(skip=self.skip + len(ids) - overlap, overlap=overlap, page=page, same=same)
