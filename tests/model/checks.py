"""The checks after every step, and those when nothing is left to do."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from support.redis_text import key_names, text
from worker.store.redis import keys

if TYPE_CHECKING:
    from model.ground import Ground

#: Why an order may be dead.
REASONS = {"rejected", "poison", "dropped", "uncertain", "unavailable", "bug"}


def check_step(ground: Ground) -> set[str]:
    """Check what must hold after every step; return the states in which orders are."""
    assert not ground.depot.wrong, ground.depot.wrong
    check_no_duplicates(ground)
    _check_cursor(ground)
    return _check_places(ground)


def check_no_duplicates(ground: Ground) -> None:
    duplicates = {reference: len(made) for reference, made in ground.depot.made.items() if len(made) > 1}
    assert not duplicates, f"created more than once: {duplicates}"


def places(ground: Ground) -> dict[str, str]:
    """Return the state of every order according to the sets; fail if an order is in two of them."""
    k = ground.lane.keys
    claimed = key_names(ground.redis, f"{k.claims}*")
    with ground.redis.pipeline(transaction=False) as pipe:
        for name in (k.due, k.dead, k.doubt, k.held):
            pipe.zrange(name, 0, -1)
        for name in claimed:
            pipe.smembers(name)
        members_of = pipe.execute()
    names = ["queued", "dead", "in_doubt", "held", *["claimed"] * len(claimed)]
    in_sets = [(key, name) for name, members in zip(names, members_of, strict=True) for key in members]
    twice = [key for key, count in Counter(key for key, _ in in_sets).items() if count > 1]
    assert not twice, f"in two places: {[(key, name) for key, name in in_sets if key in twice]}"
    return dict(in_sets)


def _check_places(ground: Ground) -> set[str]:
    k, where = ground.lane.keys, places(ground)
    recorded = sorted(name.removeprefix(k.order) for name in key_names(ground.redis, f"{k.order}*"))
    _check_records(ground, recorded)
    assert set(where) <= set(recorded), f"in a set and not in the ledger: {set(where) - set(recorded)}"
    with ground.redis.pipeline(transaction=False) as pipe:
        for key in recorded:
            pipe.hget(k.order + key, "state")
            pipe.exists(k.payload + key)
        replies = pipe.execute()
    for key, state, payload in zip(recorded, replies[::2], replies[1::2], strict=True):
        assert state == where.get(key, "delivered"), f"{key} is {state} and in {where.get(key)}"
        assert bool(payload) is (state != "delivered"), f"{key} is {state}, with {payload} payloads"
    return set(replies[::2])


def _check_records(ground: Ground, live: list[str]) -> None:
    """Check that no order is both live and archived, and that archived records are complete and have no payload."""
    fields = [
        field for name in key_names(ground.redis, "intake:archive:t:*") for field in map(text, ground.redis.hkeys(name))
    ]
    archived = [key for key in fields if "\x01" not in key]
    assert not set(live) & set(archived), f"live and archived: {set(live) & set(archived)}"
    for key in archived:
        record = ground.record(key.removeprefix("shop:"))
        assert record["state"] in {"delivered", "withdrawn"}, record
        assert {"fingerprint", "version", "reference"} <= set(record), record
        assert {"done", "target_id"} <= set(record) or record["state"] == "withdrawn", record
        assert not ground.redis.exists(ground.lane.keys.payload + key), f"{key} is archived with its payload"


def _check_cursor(ground: Ground) -> None:
    value = int(ground.redis.hget(keys.cursor("shop"), "value") or 0)
    letters = ground.redis.hkeys(keys.malformed("shop"))
    for external_id, version in ground.source.feed[:value]:
        accepted = max(int(ground.record(external_id).get("version", -1)), ground.tombstone(external_id))
        assert external_id in letters or accepted >= version, (
            f"the cursor is at {value}, and version {version} of {external_id} was not accepted (accepted: {accepted})"
        )


def check_claims(ground: Ground) -> None:
    """Check that every claim belongs to a live drain."""
    k = ground.lane.keys
    now = int(ground.cursors.now())
    for name in key_names(ground.redis, f"{k.claims}*"):
        beat = ground.redis.zscore(k.drains, name.removeprefix(k.claims))
        assert beat is not None, f"{name} has orders and no drain"
        assert now - beat <= ground.lane.lease_ms + 60_000, f"{name} has orders and a dead drain"


def is_idle(ground: Ground) -> bool:
    """Return whether nothing is left to do."""
    open_states = {"queued", "claimed"} & set(places(ground).values())
    inbox = ground.inbox.status()
    value = int(ground.redis.hget(keys.cursor("shop"), "value") or -1)
    read = value == len(ground.source.feed)
    jobs = inbox["waiting"] + inbox["taken"] + ground.fetches.count_waiting("shop")
    return read and not open_states and not jobs


def check_finished(ground: Ground) -> None:
    """Check that each accepted order has reached a final state, and that the target matches the source."""
    check_step(ground)
    assert ground.inbox.status()["waiting"] == ground.inbox.status()["taken"] == 0
    assert not ground.fetches.count_waiting("shop")
    for external_id in ground.source.orders:
        _check_end(ground, external_id)


def _check_end(ground: Ground, external_id: str) -> None:
    record = ground.record(external_id)
    made = ground.depot.made.get(external_id, [])
    newest = ground.source.newest(external_id)
    version, wanted = ground.decided.get(external_id, (-1, True))
    if not record:
        buried = external_id in ground.pushed and ground.inbox.status()["dead_now"]
        left_out = newest is not None and version == newest.version and not wanted
        assert newest is None or buried or left_out, f"{external_id} is lost"
        return
    state = record["state"]
    assert state in {"delivered", "dead", "in_doubt", "held", "withdrawn"}, f"{external_id} ends {state}"
    if state == "withdrawn":
        assert not wanted or ground.refilters, f"{external_id} is withdrawn, and its version {version} is wanted"
        assert not made, f"{external_id} is withdrawn, and is in the target"
    if state == "dead":
        assert record["code"] in REASONS, record
    if state == "delivered":
        assert len(made) == 1, f"{external_id} is delivered, but was created {len(made)} times"
        _check_content(ground, external_id)


def _check_content(ground: Ground, external_id: str) -> None:
    """Check that the target has the newest content, if it can be updated."""
    newest = ground.source.newest(external_id)
    change = ground.on_change("shop", "t")
    # After a loss of Redis, or of its last writes, a change is neither held nor sent: the new ledger cannot know that
    # the order changed, and the target's content may be intended there.
    follows = ground.depot.updates and change in {"update", "hold"} and not ground.forgot
    if not follows or newest is None or external_id in ground.dropped | ground.pushed:
        return
    made = ground.depot.made[external_id][0]
    if newest.status == "cancelled":
        assert made.cancelled, f"{external_id} is not cancelled in the target"
        return
    assert not made.cancelled, f"{external_id} is cancelled in the target"
    stored = made.order
    assert stored.fingerprint() == newest.fingerprint(), f"{external_id}: has {stored.note}, not {newest.note}"


def check_restored(ground: Ground) -> None:
    """Check, after a loss of Redis without further faults, that every order the target accepts was created once."""
    check_finished(ground)
    for external_id in ground.source.orders:
        newest = ground.source.newest(external_id)
        if newest is None or newest.note in {"refused", "unmapped"}:
            continue
        state = ground.record(external_id).get("state")
        if not ground.decided[external_id][1]:
            assert state in {None, "withdrawn", "delivered", "held"}, f"{external_id} is {state}"
            continue
        assert state == "delivered", f"{external_id} is {state}"
        assert len(ground.depot.made.get(external_id, [])) == 1
