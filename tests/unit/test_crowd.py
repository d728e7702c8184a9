"""A crowd has room for every newcomer, at the cost of the group that takes most of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.inbox.receiver.crowd import Crowd


def test_the_oldest_of_the_largest_group_makes_room() -> None:
    gone: list[str] = []
    crowd = Crowd(3)
    for member in ("a1", "b1", "a2", "a3", "b2"):
        crowd.enter(member, member[0], lambda member=member: gone.append(member))  # type: ignore[misc]
    assert gone == ["a1", "a2"]
    crowd.leave("a1")
    crowd.leave("b1")
    assert len(crowd) == 2


@given(st.integers(1, 5), st.lists(st.tuples(st.sampled_from("abc"), st.booleans())))
def test_a_crowd_is_never_larger_than_it_may_be(most: int, arrivals: list[tuple[str, bool]]) -> None:
    crowd, present = Crowd(most), set()
    for number, (group, leaves) in enumerate(arrivals):
        crowd.enter(number, group, lambda number=number: present.discard(number))  # type: ignore[misc]
        present.add(number)
        if leaves:
            crowd.leave(number)
            present.discard(number)
        assert len(crowd) <= most
    assert len(crowd) == len(present & set(range(len(arrivals)))) or len(crowd) <= most
