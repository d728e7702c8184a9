"""A crowd of bounded size, which always has room for a newcomer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable


class Crowd:
    """At most `most` members in groups. Where one too many enters, the oldest of the largest group is sent away.

    A genuine sender needs its place for milliseconds, a hostile one for as long as it can: the oldest of the group that
    takes most of the room is hostile, or nobody is.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._groups: dict[str, dict[Hashable, Callable[[], None]]] = {}
        self._group_of: dict[Hashable, str] = {}

    def __len__(self) -> int:
        return len(self._group_of)

    def enter(self, member: Hashable, group: str, send_away: Callable[[], None]) -> None:
        """Add a member, which is not in the crowd; `send_away` is called if it has to make room."""
        self._groups.setdefault(group, {})[member] = send_away
        self._group_of[member] = group
        if len(self) > self._most:
            largest = max(self._groups.values(), key=len)
            oldest, evict = next(iter(largest.items()))
            self.leave(oldest)
            evict()

    def leave(self, member: Hashable) -> None:
        """Remove a member; do nothing if it has left already."""
        group = self._group_of.pop(member, None)
        if group is not None:
            members = self._groups[group]
            del members[member]
            if not members:
                del self._groups[group]
