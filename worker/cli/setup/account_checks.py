"""Check the credentials of every account, all at the same time."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, Protocol

from worker.errors import AuthFailed, ConfigError, IntakeError, Misdirected, RateLimited, SnoozeError, StoreFull
from worker.store.redis.connection import ERRORS
from worker.store.redis.diagnosis import state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

#: Retries of an account while another one uses up the limit that they share.
_RETRIES: Final = 4
#: Seconds within which all accounts have to answer.
_PATIENCE: Final = 45.0
_CREDENTIALS: Final = "Correct the credentials of this account."
_UNKEYED: Final = ("its secrets are not set here", "Check it where the worker runs.")
_URL: Final = "Correct its url: check the region and the account."
_OF_REDIS: Final[tuple[type[Exception], ...]] = (StoreFull, *ERRORS)
_ADDRESS: Final = "Check that the url is correct, and that this machine can reach it."


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; unless it is ok, `remedy` says what to do."""

    what: str
    state: Literal["ok", "warning", "error", "skipped"]
    detail: str
    remedy: str = ""


class Checkable(Protocol):
    """The part of an adapter that is used here."""

    def check(self) -> None:
        """Prove the credentials."""


class Accounts(Protocol):
    """The part of a runtime that is used here (see `worker.runtime.Runtime`)."""

    @property
    def providers(self) -> Mapping[str, Checkable]: ...  # noqa: D102
    @property
    def targets(self) -> Mapping[str, Checkable]: ...  # noqa: D102


def examine_accounts(
    accounts: Accounts, patience: float = _PATIENCE, unkeyed: Collection[str] = ()
) -> Iterator[Finding]:
    """Check all accounts at the same time; yield one finding for each, also for those whose secrets are not here."""
    questions = {
        f"{section} {name}": partial(examine_account, f"{section} {name}", adapter)
        for section, adapters in (("provider", accounts.providers), ("target", accounts.targets))
        for name, adapter in adapters.items()
    }
    yield from (Finding(account, "skipped", *_UNKEYED) for account in questions if account in unkeyed)
    yield from ask_all({account: ask for account, ask in questions.items() if account not in unkeyed}, patience)


def ask_all(questions: Mapping[str, Callable[[], Finding]], patience: float) -> Iterator[Finding]:
    """Ask about all accounts at the same time; yield one finding for each. A question must not raise."""
    answers: list[tuple[str, queue.SimpleQueue[Finding]]] = []
    for account, question in questions.items():
        answer: queue.SimpleQueue[Finding] = queue.SimpleQueue()
        threading.Thread(target=_answer_into, args=(answer, question), name=account, daemon=True).start()
        answers.append((account, answer))
    until = time.monotonic() + patience
    for account, answer in answers:
        try:
            yield answer.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            yield Finding(account, "error", f"no response within {patience:.0f} s", _ADDRESS)


def _answer_into(answer: queue.SimpleQueue[Finding], question: Callable[[], Finding]) -> None:
    answer.put(question())


def examine_account(account: str, adapter: Checkable) -> Finding:
    """Check the credentials of one account."""
    try:
        _prove(adapter)
    except Exception as error:  # noqa: BLE001  # one broken adapter must not hide the findings of the others
        return Finding(account, *_explain(error))
    return Finding(account, "ok", "the credentials work")


def _explain(error: Exception) -> tuple[Literal["warning", "error"], str, str]:
    """Return the state, the detail and the remedy for an error of a check."""
    detail = str(error)
    match error:
        case AuthFailed() | Misdirected():
            return "error", detail, _URL if "url" in detail else _CREDENTIALS
        case ConfigError():
            return "error", f"{error.key}: {error.reason}", error.remedy
        case SnoozeError():
            return "warning", detail, f"Retry in {error.delay:.0f} s."
        case _ if isinstance(error, _OF_REDIS):
            state = state_of(error)
            return "error", f"not checked, because its limits are in Redis: {state.sentence}", state.remedy
        case IntakeError():
            return "error", detail, _ADDRESS
        case _:
            detail = f"the check itself failed: {type(error).__name__}"
            return "error", detail, "This is a bug of the adapter: please report it."


def _prove(adapter: Checkable) -> None:
    """Check the credentials; retry while another account uses up the shared limit."""
    for _ in range(_RETRIES):
        try:
            return adapter.check()
        except RateLimited as limited:
            time.sleep(min(limited.delay, 1.0))
    return adapter.check()
