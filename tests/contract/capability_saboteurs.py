"""Targets that each break one promise of a capability; each must fail its conformance check."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from contract.sabotage import does_not_tell_the_limiter, having, renaming
from worker.errors import IntakeError, Rejected, Unavailable, Uncertain
from worker.systems.target import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from schemas.order import Order
    from worker.lab.conformance.stage import Case
    from worker.systems.target import Target

    Batch = Sequence[tuple[Order, str]]
    Told = Sequence[Receipt | IntakeError]


def _without(case: Case, name: str) -> Case:
    return replace(case, scenes={key: scene for key, scene in case.scenes.items() if key != name})


def has_no_batch_in_part(case: Case) -> Case:
    return _without(case, "batch_in_part")


def has_nobody_absent(case: Case) -> Case:
    return _without(case, "absent")


def has_no_cancellation(case: Case) -> Case:
    return _without(case, "updated_cancelled")


def takes_them_all_for_absent(case: Case) -> Case:
    return having(case, absent=lambda self, references: references)


def takes_an_error_for_absence(case: Case) -> Case:
    real: type[Target] = case.adapter

    def absent(self: Any, references: Any) -> Any:
        try:
            return real.absent(self, references)
        except IntakeError:
            return references

    return having(case, absent=absent)


def _telling(case: Case, change: Callable[[list[Any]], list[Any]]) -> Case:
    real: type[Target] = case.adapter
    return having(case, create_many=lambda self, batch: change(list(real.create_many(self, batch))))


def tells_all_what_the_first_is_told(case: Case) -> Case:
    return _telling(case, lambda told: [told[0]] * len(told))


def tells_them_in_another_order(case: Case) -> Case:
    return _telling(case, lambda told: told[::-1])


def fails_them_all_for_one(case: Case) -> Case:
    def change(told: list[Any]) -> list[Any]:
        bad = next((one for one in told if isinstance(one, Rejected)), None)
        return [bad] * len(told) if bad else told

    return _telling(case, change)


def leaves_out_the_last_order(case: Case) -> Case:
    real: type[Target] = case.adapter

    def create_many(self: Any, batch: Batch) -> Told:
        return [*real.create_many(self, batch[:-1]), Receipt("99")]

    return having(case, create_many=create_many)


def _rounded(order: Order) -> Order:
    lines = [line.model_copy(update={"unit_price": Decimal(repr(float(line.unit_price)))}) for line in order.lines]
    return order.model_copy(update={"lines": tuple(lines)})


def counts_a_batch_with_floats(case: Case) -> Case:
    real: type[Target] = case.adapter
    return having(
        case, create_many=lambda self, batch: real.create_many(self, [(_rounded(order), ref) for order, ref in batch])
    )


def is_sure_that_no_batch_was_taken(case: Case) -> Case:
    return renaming(case, "create_many", wrong=Uncertain, name=lambda error: Unavailable(str(error)))


def takes_a_batch_for_taken(case: Case) -> Case:
    real: type[Target] = case.adapter

    def create_many(self: Any, batch: Batch) -> Told:
        try:
            return real.create_many(self, batch)
        except Uncertain:
            return [Receipt(None) for _ in batch]

    return having(case, create_many=create_many)


def sends_a_batch_again_by_itself(case: Case) -> Case:
    real: type[Target] = case.adapter

    def create_many(self: Any, batch: Batch) -> Told:
        try:
            return real.create_many(self, batch)
        except Uncertain:
            return real.create_many(self, batch)

    return having(case, create_many=create_many)


def doubts_every_batch(case: Case) -> Case:
    return renaming(case, "create_many", wrong=Unavailable, name=lambda error: Uncertain(str(error)))


def tells_its_key(case: Case) -> Case:
    said = " ".join(case.secrets())
    return renaming(case, "create_many", "update", wrong=IntakeError, name=lambda e: type(e)(f"{e} {said}"))


def repeats_their_words_of_one_order(case: Case) -> Case:
    def change(told: list[Any]) -> list[Any]:
        return [Rejected(f"{one} {one.fields}", one.fields) if isinstance(one, Rejected) else one for one in told]

    return _telling(case, change)


def _changing(case: Case, change: Callable[[Order], Order]) -> Case:
    real: type[Target] = case.adapter
    return having(case, update=lambda self, order, ref, target_id: real.update(self, change(order), ref, target_id))


def changes_all_but_a_line(case: Case) -> Case:
    return _changing(case, lambda order: order.model_copy(update={"lines": order.lines[1:]}))


def changes_nothing(case: Case) -> Case:
    return having(case, update=lambda self, order, reference, target_id: None)


def counts_a_change_with_floats(case: Case) -> Case:
    return _changing(case, _rounded)


def wants_the_targets_id(case: Case) -> Case:
    real: type[Target] = case.adapter

    def update(self: Any, order: Order, reference: str, target_id: str) -> None:
        if not target_id:
            raise Rejected("no id")
        real.update(self, order, reference, target_id)

    return having(case, update=update)


def takes_a_change_for_made(case: Case) -> Case:
    real: type[Target] = case.adapter

    def update(self: Any, order: Order, reference: str, target_id: str) -> None:
        try:
            real.update(self, order, reference, target_id)
        except Uncertain:
            return

    return having(case, update=update)


def sends_a_change_again_by_itself(case: Case) -> Case:
    real: type[Target] = case.adapter

    def update(self: Any, order: Order, reference: str, target_id: str) -> None:
        try:
            real.update(self, order, reference, target_id)
        except Uncertain:
            real.update(self, order, reference, target_id)

    return having(case, update=update)


def forgets_why(case: Case) -> Case:
    return renaming(case, "update", wrong=Rejected, name=lambda error: Rejected(str(error)))


def repeats_their_words(case: Case) -> Case:
    return renaming(case, "update", wrong=Rejected, name=lambda e: Rejected(f"{e} {e.fields}", e.fields))


#: Who must not get past which check of `bulk_suite`.
OF_BULK: Final[dict[str, tuple[Callable[[Case], Case], ...]]] = {
    "the_recordings_cover_a_batch": (has_no_batch_in_part, has_nobody_absent),
    "each_order_of_a_batch_is_told_its_own_outcome": (
        tells_all_what_the_first_is_told,
        tells_them_in_another_order,
        fails_them_all_for_one,
        leaves_out_the_last_order,
        repeats_their_words_of_one_order,
    ),
    "who_may_be_there_is_never_told_to_be_absent": (takes_them_all_for_absent, takes_an_error_for_absence),
    "every_amount_of_a_batch_arrives_exact": (counts_a_batch_with_floats,),
    "a_batch_whose_answer_is_lost_is_uncertain": (
        is_sure_that_no_batch_was_taken,
        takes_a_batch_for_taken,
        sends_a_batch_again_by_itself,
    ),
    "a_batch_that_could_not_be_sent_did_not_happen": (doubts_every_batch,),
    "slow_down_after_a_batch_closes_the_limit": (does_not_tell_the_limiter,),
    "no_outcome_of_a_batch_tells_a_secret_or_a_person": (tells_its_key, repeats_their_words_of_one_order),
}
#: Who must not get past which check of `update_suite`.
OF_UPDATES: Final[dict[str, tuple[Callable[[Case], Case], ...]]] = {
    "the_recordings_cover_an_update": (has_no_cancellation,),
    "a_change_is_sent_as_recorded": (changes_all_but_a_line, changes_nothing),
    "a_change_does_not_depend_on_the_targets_id": (wants_the_targets_id,),
    "every_amount_of_a_change_arrives_exact": (counts_a_change_with_floats,),
    "a_change_that_may_not_have_been_made_is_not_taken_for_made": (
        takes_a_change_for_made,
        sends_a_change_again_by_itself,
    ),
    "slow_down_after_a_change_closes_the_limit": (does_not_tell_the_limiter,),
    "a_refused_change_keeps_their_words_out_of_the_message": (forgets_why, repeats_their_words),
    "no_message_of_a_change_holds_a_secret_or_a_person": (tells_its_key,),
}
