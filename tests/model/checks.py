"""What must hold after every step, and when all has come to rest."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from support.redis_text import key_names, text
from worker.store.redis import keys

if TYPE_CHECKING:
    from model.ground import Ground

#: Why an order may be dead.
REASONS = {"rejected", "poison", "dropped", "uncertain", "unavailable", "bug"}


def always(ground: Ground) -> set[str]:
    """After every step; answers the states that orders are in."""
    assert not ground.depot.wrong, ground.depot.wrong
    no_doubles(ground)
    _cursor_passes_nothing(ground)
    return _one_place_each(ground)


def no_doubles(ground: Ground) -> None:
    doubles = {reference: len(made) for reference, made in ground.depot.made.items() if len(made) > 1}
    assert not doubles, f"created more than once: {doubles}"


def places(ground: Ground) -> dict[str, str]:
    """Where every order is by what the sets say; fails if one is in two of them."""
    k = ground.lane.keys
    claimed = key_names(ground.redis, f"{k.claims}*")
    with ground.redis.pipeline(transaction=False) as pipe:
        for name in (k.due, k.dead, k.doubt, k.held):
            pipe.zrange(name, 0, -1)
        for name in claimed:
            pipe.smembers(name)
        found = pipe.execute()
    names = ["queued", "dead", "in_doubt", "held", *["claimed"] * len(claimed)]
    in_sets = [(key, name) for name, members in zip(names, found, strict=True) for key in members]
    twice = [key for key, count in Counter(key for key, _ in in_sets).items() if count > 1]
    assert not twice, f"in two places: {[it for it in in_sets if it[0] in twice]}"
    return dict(in_sets)


def _one_place_each(ground: Ground) -> set[str]:
    k, where = ground.lane.keys, places(ground)
    known = sorted(name.removeprefix(k.order) for name in key_names(ground.redis, f"{k.order}*"))
    _one_record_each(ground, known)
    assert set(where) <= set(known), f"in a set and not in the ledger: {set(where) - set(known)}"
    with ground.redis.pipeline(transaction=False) as pipe:
        for key in known:
            pipe.hget(k.order + key, "state")
            pipe.exists(k.payload + key)
        found = pipe.execute()
    for key, state, payload in zip(known, found[::2], found[1::2], strict=True):
        assert state == where.get(key, "delivered"), f"{key} is {state} and in {where.get(key)}"
        assert bool(payload) is (state != "delivered"), f"{key} is {state}, and its content there: {payload}"
    return set(found[::2])


def _one_record_each(ground: Ground, living: list[str]) -> None:
    """No order is awake and at rest; what is at rest is whole, and has no payload."""
    resting = [
        key for name in key_names(ground.redis, "intake:archive:t:*") for key in map(text, ground.redis.hkeys(name))
    ]
    resting = [key for key in resting if "\x01" not in key]
    assert not set(living) & set(resting), f"awake and at rest: {set(living) & set(resting)}"
    for key in resting:
        record = ground.record(key.removeprefix("shop:"))
        assert record["state"] == "delivered", record
        assert {"fingerprint", "version", "done", "reference", "target_id"} <= set(record), record
        assert not ground.redis.exists(ground.lane.keys.payload + key), f"{key} is at rest with its content"


def _cursor_passes_nothing(ground: Ground) -> None:
    value = int(ground.redis.hget(keys.cursor("shop"), "value") or 0)
    letters = ground.redis.hkeys(keys.malformed("shop"))
    for external_id, version in ground.source.feed[:value]:
        known = ground.record(external_id).get("version")
        assert external_id in letters or (known is not None and int(known) >= version), (
            f"the cursor is at {value}, and version {version} of {external_id} was not accepted (known: {known})"
        )


def swept(ground: Ground) -> None:
    """Nothing is claimed without a live drain."""
    k = ground.lane.keys
    now = int(ground.cursors.now())
    for name in key_names(ground.redis, f"{k.claims}*"):
        beat = ground.redis.zscore(k.drains, name.removeprefix(k.claims))
        assert beat is not None, f"{name} has orders and no drain"
        assert now - beat <= ground.lane.lease_ms + 60_000, f"{name} has orders and a dead drain"


def idle(ground: Ground) -> bool:
    """Whether nothing is left to do."""
    busy = {"queued", "claimed"} & set(places(ground).values())
    inbox = ground.inbox.status()
    value = int(ground.redis.hget(keys.cursor("shop"), "value") or -1)
    read = value == len(ground.source.feed)
    return (
        read and not busy and not inbox["waiting"] and not inbox["taken"] and not ground.fetches.count_waiting("shop")
    )


def at_rest(ground: Ground) -> None:
    """When everything was let run: each accepted order has its end, and what the target has is what the source has."""
    always(ground)
    assert ground.inbox.status()["waiting"] == ground.inbox.status()["taken"] == 0
    assert not ground.fetches.count_waiting("shop")
    for external_id in ground.source.orders:
        _ended(ground, external_id)


def _ended(ground: Ground, external_id: str) -> None:
    record = ground.record(external_id)
    made = ground.depot.made.get(external_id, [])
    if not record:
        newest = ground.source.newest(external_id)
        buried = external_id in ground.pushed and ground.inbox.status()["dead_now"]
        assert newest is None or buried, f"{external_id} is nowhere"
        return
    state = record["state"]
    assert state in {"delivered", "dead", "in_doubt", "held"}, f"{external_id} ends {state}"
    if state == "dead":
        assert record["code"] in REASONS, record
    if state == "delivered":
        assert len(made) == 1, f"{external_id} is said to be delivered, and was created {len(made)} times"
        _same(ground, external_id)


def _same(ground: Ground, external_id: str) -> None:
    """The target can be changed, and has the newest content."""
    newest = ground.source.newest(external_id)
    change = ground.on_change("shop", "t")
    # What changed while Redis was lost is not held: nobody knows that it changed.
    # A change that was not sent yet when Redis was lost is not known to be one: the target's content may be its own.
    follows = ground.depot.updates and change in {"update", "hold"} and not ground.losses
    if not follows or newest is None or external_id in ground.dropped | ground.pushed:
        return
    has = ground.depot.made[external_id][0].order
    assert has.fingerprint() == newest.fingerprint(), f"{external_id}: the target has {has.note}, not {newest.note}"


def whole_again(ground: Ground) -> None:
    """After Redis was lost, and with no more mishaps: what can be created was, once."""
    at_rest(ground)
    for external_id in ground.source.orders:
        newest = ground.source.newest(external_id)
        if newest is None or newest.note in {"refused", "unmapped"}:
            continue
        state = ground.record(external_id).get("state")
        assert state == "delivered", f"{external_id} is {state}"
        assert len(ground.depot.made.get(external_id, [])) == 1
