"""Targets that each break one promise, derived from any target; each must fail its conformance check."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from contract.sabotage import does_not_tell_the_limiter, has_another_name, having, renaming, takes_any_key_for_good
from worker.errors import IntakeError, Rejected, Unavailable, Uncertain
from worker.systems.target import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.order import Order
    from worker.lab.conformance.stage import Case
    from worker.systems.target import Pending, Target


def _sending(case: Case, change: Callable[[Order, str], tuple[Order, str]]) -> Case:
    real: type[Target] = case.adapter
    return having(case, create=lambda self, order, reference: real.create(self, *change(order, reference)))


def has_nothing_missing(case: Case) -> Case:
    return replace(case, scenes={name: scene for name, scene in case.scenes.items() if name != "missing"})


def leaves_a_line_out(case: Case) -> Case:
    return _sending(case, lambda order, reference: (order.model_copy(update={"lines": order.lines[1:]}), reference))


def makes_up_an_id(case: Case) -> Case:
    real: type[Target] = case.adapter

    def create(self: Any, order: Order, reference: str) -> Receipt | Pending:
        real.create(self, order, reference)
        return Receipt("made up")

    return having(case, create=create)


def counts_with_floats(case: Case) -> Case:
    def rounded(order: Order, reference: str) -> tuple[Order, str]:
        lines = [line.model_copy(update={"unit_price": Decimal(repr(float(line.unit_price)))}) for line in order.lines]
        grand = None if order.totals.grand is None else Decimal(repr(float(order.totals.grand)))
        totals = order.totals.model_copy(update={"grand": grand})
        return order.model_copy(update={"lines": tuple(lines), "totals": totals}), reference

    return _sending(case, rounded)


def sends_an_id_of_the_order(case: Case) -> Case:
    return _sending(case, lambda order, reference: (order, order.source_id or order.external_id))


def hides_that_it_was_there(case: Case) -> Case:
    real: type[Target] = case.adapter

    def create(self: Any, order: Order, reference: str) -> Receipt | Pending:
        made = real.create(self, order, reference)
        return replace(made, existed=False) if isinstance(made, Receipt) else made

    return having(case, create=create)


def gives_up_what_is_pending(case: Case) -> Case:
    return renaming(case, "resume", wrong=Unavailable, name=lambda error: Rejected(str(error)))


def sends_it_again_instead_of_asking(case: Case) -> Case:
    return having(case, resume=lambda self, order, reference, step: self.create(order, reference))


def finds_everything(case: Case) -> Case:
    return having(case, find=lambda self, reference: Receipt("98", existed=True))


def finds_nothing(case: Case) -> Case:
    return having(case, find=lambda self, reference: None)


def takes_no_answer_for_a_no(case: Case) -> Case:
    real: type[Target] = case.adapter

    def find(self: Any, reference: str) -> Receipt | None:
        try:
            return real.find(self, reference)
        except Unavailable:
            return None

    return having(case, find=find)


def is_sure_that_nothing_happened(case: Case) -> Case:
    return renaming(case, "create", wrong=Uncertain, name=lambda error: Unavailable(str(error)))


def waits_without_a_doubt(case: Case) -> Case:
    return renaming(case, "create", wrong=IntakeError, name=_sure)


def _sure(error: Any) -> IntakeError:
    sure: IntakeError = error
    error.uncertain = False
    return sure


def tries_again_by_itself(case: Case) -> Case:
    real: type[Target] = case.adapter

    def create(self: Any, order: Order, reference: str) -> Receipt | Pending:
        try:
            return real.create(self, order, reference)
        except Uncertain:
            return real.create(self, order, reference)

    return having(case, create=create)


def doubts_everything(case: Case) -> Case:
    return renaming(case, "create", wrong=Unavailable, name=lambda error: Uncertain(str(error)))


def forgets_why(case: Case) -> Case:
    return renaming(case, "create", wrong=Rejected, name=lambda error: Rejected(str(error)))


def repeats_their_words(case: Case) -> Case:
    return renaming(
        case, "create", wrong=Rejected, name=lambda error: Rejected(f"{error} {error.fields}", error.fields)
    )


def tells_its_key(case: Case) -> Case:
    said = " ".join(case.secrets())
    return renaming(case, "create", "find", wrong=IntakeError, name=lambda error: type(error)(f"{error} {said}"))


def tells_it_behind_the_message(case: Case) -> Case:
    """As the context of the error, where a tool that prints tracebacks with everything finds it."""
    real: type[Target] = case.adapter
    said = " ".join(case.secrets())

    def find(self: Any, reference: str) -> Receipt | None:
        try:
            int(said)
        except ValueError:
            return real.find(self, reference)
        raise AssertionError("a secret is no number")

    return having(case, find=find)


#: Who must not get past which check.
SABOTEURS: Final[dict[str, tuple[Callable[[Case], Case], ...]]] = {
    "the_recordings_cover_every_case": (has_nothing_missing,),
    "it_sends_the_recorded_body_and_returns_what_became_of_it": (leaves_a_line_out, makes_up_an_id),
    "every_amount_arrives_exact": (counts_with_floats,),
    "it_carries_the_reference_and_not_an_id_of_the_order": (sends_an_id_of_the_order,),
    "already_there_is_success_and_said_so": (hides_that_it_was_there, makes_up_an_id),
    "what_is_pending_is_asked_for_until_it_is_decided": (gives_up_what_is_pending, sends_it_again_instead_of_asking),
    "find_returns_the_order_of_exactly_this_reference_or_none": (finds_everything, finds_nothing),
    "check_needs_the_credentials": (takes_any_key_for_good,),
    "every_failure_of_a_read_has_its_right_name": (takes_no_answer_for_a_no,),
    "a_create_that_may_have_happened_is_uncertain": (
        is_sure_that_nothing_happened,
        waits_without_a_doubt,
        tries_again_by_itself,
    ),
    "a_create_that_could_not_be_sent_did_not_happen": (doubts_everything,),
    "slow_down_closes_the_limit_for_as_long_as_they_say": (does_not_tell_the_limiter,),
    "a_rejection_keeps_their_words_out_of_the_message": (forgets_why, repeats_their_words),
    "no_message_holds_a_secret_or_a_person": (tells_its_key, tells_it_behind_the_message),
    "its_kind_is_the_name_of_its_module_or_of_its_package": (has_another_name,),
}

#: Which targets a check says nothing of.
SPARED: Final[dict[str, Callable[[Case], bool]]] = {
    "already_there_is_success_and_said_so": lambda case: not case.adapter.dedupes,
    "what_is_pending_is_asked_for_until_it_is_decided": lambda case: "pending" not in case.scenes["created"],
}
