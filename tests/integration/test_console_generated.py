"""Requests that schemathesis generates for every page of the console, and for the metrics."""

from __future__ import annotations

import re
import wsgiref.simple_server
from collections import Counter
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.parser import text_string_to_metric_families

from support.console import Consoles, running_console
from support.console_world import SETTINGS, fill, fill_comparison
from support.drawn import RANDOM, examples
from support.source_texts import ROOT
from worker.operations.decisions import DECISIONS
from worker.operations.waiting import LISTS
from worker.watch.metrics import RedisCollector
from worker.web.app import PAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.settings_texts import Configured
    from worker.runtime import Runtime
    from worker.web.page import Page

#: A text that must never become part of a page as it is.
HOSTILE: Final = "\"'><i>&{{7*7}}</i>"
#: What a page shows when it refuses or asks for something; a page never fails.
STATUSES: Final = {200, 303, 400, 403, 404, 405, 409, 413, 422, 429}
FIELDS: Final = sorted(
    {
        name
        for template in (ROOT / "worker" / "web" / "templates").glob("*.html")
        for name in re.findall(r'name="([a-z_]+)"', template.read_text(encoding="utf-8"))
    }
    - {"csrf", "password", "viewport"}
)
#: Fields of forms, and what only addresses have.
ASKED: Final = (*FIELDS, "day", "before")
ORDERS: Final = [f"shop-{'de' if number in {3, 6} else 'nl'}:0{number}" for number in range(1, 9)]
#: Values that lead further than any other: what is there, a day, a number, and a text that is code.
KNOWN: Final = [*ORDERS, "shop-nl", "warehouse", "2026-11-30", "7d", "1", "", HOSTILE]
#: What is there, by the name of the part of the path.
PLACES: Final[dict[str, list[str]]] = {
    "side": ["providers", "targets"],
    "name": ["shop-nl", "warehouse"],
    "provider": ["shop-nl", "shop-de"],
    "target": ["warehouse"],
    "key": ORDERS,
    "list": [*LISTS],
    "action": [*DECISIONS],
}
TEXT: Final[dict[str, Any]] = {"anyOf": [{"type": "string", "enum": KNOWN}, {"type": "string", "maxLength": 60}]}


def _part(name: str) -> dict[str, Any]:
    """Return the schema of a part of a path: mostly what is there, so that requests reach more than a 404."""
    there = {"type": "string", "enum": [*PLACES.get(name, KNOWN), HOSTILE]}
    return {"anyOf": [there, *TEXT["anyOf"]]} if RANDOM else there


def document(pages: tuple[Page, ...]) -> dict[str, Any]:
    """Return a document of the pages: any text in the path, in the query and in each field of a form."""
    paths: dict[str, Any] = {}
    for page in pages:
        names = re.findall(r"\{([a-z]+)", page.path)
        path = re.sub(r"\{([a-z]+):path\}", r"{\1}", page.path)
        named = [{"name": name, "in": "path", "required": True, "schema": _part(name)} for name in names]
        asked = [{"name": name, "in": "query", "schema": TEXT} for name in ASKED]
        form = {"schema": {"type": "object", "properties": dict.fromkeys(FIELDS, TEXT), "additionalProperties": TEXT}}
        call: dict[str, Any] = {"parameters": [*named, *asked], "responses": {"default": {"description": "A page"}}}
        if page.method == "POST":
            call["requestBody"] = {"content": {"application/x-www-form-urlencoded": form}}
        paths.setdefault(path, {})[page.method.lower()] = call
    return {"openapi": "3.1.0", "info": {"title": "Pages", "version": "1"}, "paths": paths}


@pytest.fixture
def rt(configured: Configured) -> Runtime:
    rt = configured.open(SETTINGS)
    fill(rt)
    fill_comparison(rt)
    return rt


@pytest.fixture
def consoles(rt: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[Consoles]:
    assert rt
    with running_console(monkeypatch) as consoles:
        yield consoles


def limit(few: int, many: int) -> hypothesis_settings:
    """Return how cases are drawn: few of the same in each `make test`, many new ones where chance is wanted."""
    return hypothesis_settings(
        max_examples=examples(few, many), deadline=None, derandomize=not RANDOM, database=None,
        phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck),
    )  # fmt: skip


class Opened:
    """A session of the console that opens pages and counts the statuses."""

    def __init__(self, consoles: Consoles) -> None:
        browser = consoles.as_role("operator")
        self.client, self.csrf = browser.client, browser.token("/find")
        self.counts: Counter[int] = Counter()

    def open(self, method: str, path: str, query: dict[str, Any], form: object) -> None:
        """Open a page; fail if the page does, or if it repeats code."""
        body = {"csrf": self.csrf, **(form if isinstance(form, dict) else {})}
        response = self.client.request(method, path, params=query, data=body if method == "POST" else None)
        assert response.status_code in STATUSES, response.text
        assert HOSTILE not in response.text
        self.counts[response.status_code] += 1


#: Signing in and out ends or refuses the session that the tests need.
GENERATED: Final = tuple(page for page in PAGES if page.path not in {"/sign-in", "/sign-out"})


def test_no_page_fails_or_repeats_code_in_every_field_at_once(consoles: Consoles) -> None:
    opened = Opened(consoles)
    hostile = dict.fromkeys(ASKED, HOSTILE)
    for page in GENERATED:
        places = iter(PLACES.get(name, ["x"])[0] for name in re.findall(r"\{([a-z]+)", page.path))
        path = re.sub(r"\{[^}]*\}", lambda _, places=places: next(places), page.path)  # type: ignore[misc]  # a default
        opened.open(page.method, path, hostile, hostile)
    assert opened.counts[200] > 5, opened.counts


@pytest.mark.hypothesis
@pytest.mark.timeout(600)
def test_no_page_fails_or_repeats_code_whatever_it_is_given(consoles: Consoles) -> None:
    opened = Opened(consoles)
    for found in schemathesis.openapi.from_dict(document(GENERATED)).get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]  # the document is valid

        @limit(3, 60)
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            opened.open(case.method, case.formatted_path, case.query, case.body)

        check()
    # Not everything is refused: pages show something, and forms are carried out or previewed.
    assert opened.counts[200] > len(GENERATED) / 2, opened.counts
    assert opened.counts[303] > 1, opened.counts
    assert opened.counts[404] > 5, opened.counts


@pytest.mark.hypothesis
def test_the_metrics_are_the_same_whatever_is_asked_for(rt: Runtime) -> None:
    registry = CollectorRegistry()
    registry.register(RedisCollector(rt))
    server = wsgiref.simple_server.make_server("127.0.0.1", 0, make_wsgi_app(registry))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    asked = [
        {"name": "name[]", "in": "query", "schema": {"type": "array", "items": TEXT}},
        *({"name": name, "in": "header", "schema": TEXT} for name in ("Accept", "Accept-Encoding")),
    ]
    call = {"get": {"parameters": asked, "responses": {"200": {"description": "The metrics"}}}}
    info = {"title": "Metrics", "version": "1"}
    schema = schemathesis.openapi.from_dict({"openapi": "3.1.0", "info": info, "paths": {"/metrics": call}})
    operation: Any = schema["/metrics"]["get"]

    @limit(10, 200)
    @given(case=operation.as_strategy())
    def check(case: Any) -> None:
        response = case.call(base_url=f"http://127.0.0.1:{server.server_port}")
        assert response.status_code == 200
        text_string_to_metric_families(response.text)

    try:
        check()
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
