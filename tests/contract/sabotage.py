"""Functions that derive a saboteur from any adapter: a subclass that breaks one promise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from worker.http.gates import Open

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.errors import IntakeError
    from worker.lab.conformance.stage import Case


def having(case: Case, **methods: Any) -> Case:
    """Return the case with a subclass of its adapter that has these methods."""
    own = {"__module__": case.adapter.__module__, **methods}
    return replace(case, adapter=type(case.adapter.__name__, (case.adapter,), own))


def renaming(case: Case, *methods: str, wrong: type[IntakeError], name: Callable[[Any], IntakeError]) -> Case:
    """Return the case with an adapter whose methods raise `name(error)` instead of each error of the class `wrong`."""

    def around(method: str) -> Callable[..., Any]:
        def call(self: Any, *args: Any) -> Any:
            try:
                return getattr(case.adapter, method)(self, *args)
            except wrong as error:
                raise name(error) from None

        return call

    return having(case, **{method: around(method) for method in methods})


def ignores_the_limiter(case: Case) -> Case:
    real = case.adapter

    def configure(self: Any, options: Any) -> None:
        self.client._gate = Open()
        real.configure(self, options)

    return having(case, configure=configure)


def accepts_any_key(case: Case) -> Case:
    return having(case, check=lambda self: None)


def has_another_kind(case: Case) -> Case:
    return having(case, kind="another")
