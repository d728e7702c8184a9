"""Webhooks that each break one promise, derived from any kind; each must fail its conformance check."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import simplejson

from contract.sabotage import has_another_kind, having
from worker.settings.tables import SettingError
from worker.systems.webhook.contract import Call, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.lab.conformance.stage import Case


def _changing_jobs(case: Case, change: Callable[[list[str]], list[str]]) -> Case:
    real = case.adapter
    return having(case, jobs=lambda self, call: change(real.jobs(self, call)))


def lacks_the_recording_of_an_invalid_body(case: Case) -> Case:
    return replace(case, scenes={name: scene for name, scene in case.scenes.items() if name != "invalid"})


def omits_a_job(case: Case) -> Case:
    return _changing_jobs(case, lambda jobs: jobs[1:])


def accepts_an_invalid_body(case: Case) -> Case:
    real = case.adapter

    def jobs(self: Any, call: Call) -> list[str]:
        try:
            made: list[str] = real.jobs(self, call)
        except Refused:
            return []
        return made

    return having(case, jobs=jobs)


def names_another_provider(case: Case) -> Case:
    def change(jobs: list[str]) -> list[str]:
        return [simplejson.dumps(simplejson.loads(job) | {"provider": "another"}) for job in jobs]

    return _changing_jobs(case, change)


def numbers_its_jobs(case: Case) -> Case:
    calls = itertools.count()
    return _changing_jobs(case, lambda jobs: [f"{job}{' ' * next(calls)}" for job in jobs])


def accepts_every_call(case: Case) -> Case:
    return having(case, prove=lambda self, call, now: None)


def sends_orders_without_a_signature(case: Case) -> Case:
    return having(case, prove=lambda self, call, now: None, sends_secret=True, hints_only=False)


def crashes_on_an_invalid_body(case: Case) -> Case:
    real = case.adapter

    def jobs(self: Any, call: Call) -> list[str]:
        try:
            made: list[str] = real.jobs(self, call)
        except Refused:
            raise KeyError("id") from None
        return made

    return having(case, jobs=jobs)


def quotes_the_request(case: Case) -> Case:
    real = case.adapter

    def jobs(self: Any, call: Call) -> list[str]:
        try:
            made: list[str] = real.jobs(self, call)
        except Refused as refused:
            raise Refused(refused.status, refused.code, f"{refused.reason}: {call.body!r}") from None
        return made

    return having(case, jobs=jobs)


def reveals_its_secret(case: Case) -> Case:
    real = case.adapter

    def prove(self: Any, call: Call, now: float) -> None:
        try:
            real.prove(self, call, now)
        except Refused as refused:
            raise Refused(refused.status, refused.code, f"the secret is not {self.secret}") from None

    return having(case, prove=prove)


def has_no_description(case: Case) -> Case:
    return having(case, operation=lambda self: {"parameters": []})


def counts_in_its_description(case: Case) -> Case:
    return having(case, answer={"accepted": 0})


def accepts_no_secret(case: Case) -> Case:
    def check_secret(cls: Any, secret: str) -> None:
        raise SettingError("is not a secret", "Write another secret.")

    return having(case, check_secret=classmethod(check_secret))


#: The saboteurs that must fail each check.
SABOTEURS: Final[dict[str, tuple[Callable[[Case], Case], ...]]] = {
    "the_recordings_cover_every_case": (lacks_the_recording_of_an_invalid_body,),
    "a_recorded_call_makes_its_jobs_or_is_refused": (omits_a_job, accepts_an_invalid_body),
    "every_job_is_for_a_provider_of_the_producer": (names_another_provider,),
    "the_same_call_makes_the_same_jobs": (numbers_its_jobs,),
    "another_secret_is_refused": (accepts_every_call,),
    "a_call_without_a_proof_is_refused": (accepts_every_call,),
    "a_signature_covers_the_body": (sends_orders_without_a_signature,),
    "any_body_makes_jobs_or_is_refused": (crashes_on_an_invalid_body,),
    "no_refusal_repeats_the_request_or_the_secret": (quotes_the_request, reveals_its_secret),
    "it_describes_itself_for_openapi": (has_no_description, counts_in_its_description),
    "a_secret_is_checked_before_the_start": (accepts_no_secret,),
    "its_kind_is_the_name_of_its_module_or_package": (has_another_kind,),
}
