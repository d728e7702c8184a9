"""Fields that people changed in the target are no fault, and a repair writes the others only."""

from __future__ import annotations

from schemas.changes import Changes, fingerprints
from schemas.leaves import LINE_LEAVES
from support.orders import order
from worker.reconcile.edited import edited, to_write

SENT = order(note="call", shipping_address={"city": "Delft"})


def test_a_field_is_edited_where_the_target_confirmed_what_the_source_has() -> None:
    sent = fingerprints(SENT)
    assert edited(["note", "city"], sent, SENT) == {"note", "city"}
    moved = order(note="ring", shipping_address={"city": "Delft"})
    assert edited(["note", "city"], sent, moved) == {"city"}
    assert edited(["note", "city"], b"", SENT) == frozenset()


def test_goods_amounts_and_cancellations_are_faults_whoever_changed_them() -> None:
    assert edited(["goods", "prices", "total", "shipping", "cancelled"], fingerprints(SENT), SENT) == frozenset()


def test_a_repair_writes_the_fields_that_differ_and_no_others() -> None:
    sent = fingerprints(SENT)
    assert Changes.between(to_write(["city"], sent), SENT).fields == {"shipping_address.city"}
    goods = Changes.between(to_write(["goods"], sent), SENT)
    assert (goods.fields, goods.lines) == (frozenset(), {"Mug": frozenset(LINE_LEAVES)})
    assert not Changes.between(to_write(["a field of another package"], sent), SENT).known
