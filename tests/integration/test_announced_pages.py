"""The pages that the built-in providers announce: they follow, so what is fetched ahead is not fetched in vain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import pytest

from support.sandbox import Sandbox
from worker.http.client import Client
from worker.http.gates import Open
from worker.systems.ahead import run_ahead
from worker.systems.providers import provider_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")
R = TypeVar("R")

LONG_AGO = datetime.now(UTC) - timedelta(days=2)
OPTIONS = {
    "retailcrm": {"api_key": Sandbox.KEY, "page_size": 20},
    "dropday": {"api_key": Sandbox.KEY, "account_id": Sandbox.ACCOUNT_ID, "include_test": True, "page_size": 20},
    "ordercloud": {"client_id": Sandbox.ACCOUNT_ID, "client_secret": Sandbox.KEY, "page_size": 20},
}


class Heard:
    """Notes what is announced, and makes each call when its turn comes."""

    def __init__(self) -> None:
        self.cursors: list[str] = []

    def announce(self, cursor: str) -> None:
        self.cursors.append(cursor)

    def each(self, call: Callable[[T], R], items: Sequence[T]) -> Iterator[Callable[[], R]]:
        for item in items:
            yield lambda item=item: call(item)  # type: ignore[misc]  # bound at once


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = [f"{kind}:main:orders=90:spread=3600" for kind in OPTIONS]
    limits = [f"{kind}=off" for kind in OPTIONS]
    with Sandbox(systems=",".join(OPTIONS), accounts=accounts, limits=limits) as running:
        yield running


@pytest.mark.parametrize("kind", OPTIONS)
def test_each_page_but_the_first_is_announced_as_it_comes(box: Sandbox, kind: str) -> None:
    client = Client(box.url(kind, "main"), gate=Open(), headers={})
    heard, cursors = Heard(), list[str]()
    try:
        adapter = provider_kinds()[kind]
        provider = adapter("shop", adapter.Options.model_validate(OPTIONS[kind]), client)
        page = provider.fetch(provider.start(LONG_AGO))
        with run_ahead(heard):
            while page.more:
                cursors.append(page.cursor)
                page = provider.fetch(page.cursor)
    finally:
        client.close()
    assert len(cursors) >= 4
    assert set(heard.cursors) <= set(cursors)
    # The first page is read before; a provider with page numbers announces from the second on.
    assert len(set(heard.cursors)) >= len(cursors) - 2
