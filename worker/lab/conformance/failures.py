"""The failures of a call, and the errors by which an adapter must report them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import simplejson

from worker.lab.conformance.stage import Failure, story_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from worker.lab.conformance.stage import Case, Json

    #: Makes the call of a scene with an adapter; returns its error.
    Play = Callable[[Any, Json], Any]

_PAGE: Final = "<html><body>Service Temporarily Unavailable</body></html>"
_DATES: Final = (("Date", "Tue, 02 Apr 2024 08:15:30 GMT"), ("Retry-After", "Tue, 02 Apr 2024 08:15:39 GMT"))


def failures(case: Case) -> list[Failure]:
    """Return every failure by name. A system may ask to slow down with 503."""
    down = "RateLimited" if 503 in case.adapter.throttle_statuses else "TargetDown"
    return [
        Failure("wrong key", "AuthFailed", "AuthFailed", 401),
        Failure("no access", "AuthFailed", "AuthFailed", 403),
        Failure("moved", "Misdirected", "Misdirected", 302, (("Location", "/elsewhere"),)),
        Failure("nothing there", "Misdirected", "Misdirected", 404, text=_PAGE),
        Failure("no such method", "Misdirected", "Misdirected", 405, text='{"message": "no Route matched"}'),
        Failure("firewall", "Misdirected", "Misdirected", 403, text=_PAGE),
        Failure("slow down", "RateLimited", "RateLimited", 429),
        Failure("server error", "Unavailable", "Uncertain", 500, text='{"error": "unexpected"}'),
        Failure("bad gateway", "Unavailable", "Uncertain", 502, text=_PAGE),
        Failure("away", down, down, 503, text=_PAGE),
        Failure("web page", "Unavailable", "Uncertain", text=_PAGE),
        Failure("nothing", "Unavailable", "Uncertain", text=""),
        Failure("cut", "Unavailable", "Uncertain", cut=True),
    ]


def slow_downs() -> list[tuple[Failure, float]]:
    """Return a 429 response for both notations of Retry-After, with the delay in seconds."""
    return [
        (Failure("seconds", "RateLimited", "RateLimited", 429, (("Retry-After", "7"),)), 7.0),
        (Failure("date", "RateLimited", "RateLimited", 429, _DATES), 9.0),
    ]


def shapes(quote: str = "") -> list[Failure]:
    """Return responses of valid JSON that are not as documented and contain `quote`."""
    names = ("history", "orders", "order", "settings", "data", "message", "reference", "id")
    texts = ("[]", "null", simplejson.dumps({"success": True}), simplejson.dumps({name: [quote] for name in names}))
    return [Failure(f"shape {text[:9]}", "Unavailable", "Uncertain", text=text) for text in texts]


def error_of(call: Callable[[], object]) -> Any:
    """Return the error of a call, of any type, or None. The check names it."""
    try:
        call()
    except Exception as error:  # noqa: BLE001  # see above
        return error
    return None


def require_delay(case: Case, scene: Json, error: Play) -> None:
    """Require that a 429 closes the limit for as long as its Retry-After says."""
    for failure, seconds in slow_downs():
        with case.playing(scene, failure) as (adapter, stage):
            failed = error(adapter, scene)
            assert (stage.gate.closed, getattr(failed, "delay", None)) == ([seconds], seconds)


def leaked(case: Case, texts: Iterable[str]) -> list[str]:
    """Return the private words in the first of the texts that has any."""
    words = case.private()
    return next((found for text in texts if (found := [word for word in words if word in text])), [])


def stories(case: Case, scenes: Iterable[Json], error: Play, at: int = -1) -> Iterator[str]:
    """Yield all texts of the errors of all failures at one exchange, some of which quote every private word."""
    quote = " ".join(sorted(case.private()))
    for scene in scenes:
        for failure in [*failures(case), *shapes(quote), Failure("quote", "", "", 400, text=quote)]:
            with case.playing(scene, failure, at) as (adapter, _):
                yield story_of(error(adapter, scene))
