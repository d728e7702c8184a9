"""Benchmark `reading`: records read per second, compared with a bare loop that only fetches them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from bench import harness
from bench.figure import Figure, Measured
from bench.launch import run_program, run_server
from bench.simulated import simulated
from worker.http.client import Answer, Client
from worker.http.gates import Open
from worker.systems.providers import provider_kinds

if TYPE_CHECKING:
    from pathlib import Path

    from bench.stage import Stage
    from schemas.order import Order

#: Records on a page.
PAGE = 100
#: The settings of an account of each kind, for pages of 100 records.
ACCOUNTS = {
    "retailcrm": 'api_key = "env:BENCH_KEY"',
    "dropstream": f'user = "main"\npassword = "env:BENCH_KEY"\npage_size = {PAGE}',
    "ordercloud": f'client_id = "main"\nclient_secret = "env:BENCH_KEY"\npage_size = {PAGE}',
    "dropday": 'api_key = "env:BENCH_KEY"\naccount_id = "env:BENCH_KEY"\ninclude_test = true',
    "dropboy": f'api_key = "env:BENCH_KEY"\nbare = "accept"\ncurrency = "EUR"\ntake = {PAGE}',
}
#: The options of the simulated account that match these settings.
OPTIONS = {
    "retailcrm": ":key=key",
    "dropstream": ":user=main:key=key",
    "ordercloud": ":client=main:key=key:currency=",
    "dropday": ":key=key:account_id=key",
    "dropboy": ":key=key",
}
CONFIG = """
[redis]
url = "{redis}"
[log]
level = "warning"
[providers.shop]
start = "2020-01-01"
kind = "{kind}"
url = "{url}"
{account}
[targets.sink]
kind = "dropday"
url = "http://127.0.0.1:9"
api_key = "env:BENCH_KEY"
account_id = "env:BENCH_KEY"
[[routes]]
from = "shop"
to = ["sink"]
also_create = ["cancelled", "returned", "excluded", "on_hold", "test"]
reference = "{{provider}}:{{external_id}}"
"""


class _Recording(Client):
    """A client that keeps the first response to each request: the page, and not a later check for its end."""

    def __init__(self, url: str) -> None:
        super().__init__(url, gate=Open(), headers={})
        self.responses: dict[str, str] = {}

    def _keep(self, answer: Answer) -> Answer:
        self.responses.setdefault(answer.request, answer.body.decode())
        return answer

    def read(self, *args: Any, **kwargs: Any) -> Answer:
        return self._keep(super().read(*args, **kwargs))

    def write(self, *args: Any, **kwargs: Any) -> Answer:
        return self._keep(super().write(*args, **kwargs))


def _config(stage: Stage, kind: str, url: str) -> str:
    return CONFIG.format(redis=stage.redis, kind=kind, url=url, account=ACCOUNTS[kind])


def record(stage: Stage, kind: str) -> Path:
    """Record the responses of a page of 100 records of a kind, and return the file."""
    file = stage.home / f"{kind}.json"
    options = f"{OPTIONS[kind]}:orders={PAGE}:missing_ids=0:fractions=0"
    with (
        simulated(kind, options, "--limit", f"{kind}=off") as system,
        harness.configure(stage.home, _config(stage, kind, system.url)) as rt,
    ):
        account, client = rt.settings.providers["shop"], _Recording(system.url)
        provider = provider_kinds()[kind](account.name, account.options, client)
        provider.fetch(provider.start(datetime(2020, 1, 1, tzinfo=UTC)))
        file.write_text(json.dumps(client.responses))
    return file


def recorded_orders(stage: Stage, kind: str) -> list[Order]:
    """Return the orders of a page of 100 records of a kind, as a worker accepts them."""
    options = f"{OPTIONS[kind]}:orders={PAGE}:missing_ids=0:fractions=0"
    with (
        simulated(kind, options, "--limit", f"{kind}=off") as system,
        harness.configure(stage.home, _config(stage, kind, system.url)) as rt,
    ):
        provider = rt.providers["shop"]
        page = provider.fetch(provider.start(datetime(2020, 1, 1, tzinfo=UTC)))
        return [provider.normalize(record) for record in page.records]


def measure(stage: Stage) -> Measured:
    """Measure pages of 100 orders, read by one process, for each kind of provider."""
    figures: list[Figure] = []
    pages = max(1, stage.orders // PAGE)
    for kind in ACCOUNTS:
        file = record(stage, kind)
        with run_server("replay", str(file)) as url:
            harness.configure(stage.home, _config(stage, kind, url)).close()
            sides = {
                f"{kind}: Intake": partial(run_program, "reader", str(pages), "few"),
                f"{kind}: Intake, a long lane": partial(run_program, "reader", str(pages), "many"),
                f"{kind}: requests": partial(run_program, "reader", str(pages), url, str(file)),
            }
            ours, waiting, bare = stage.alternate(sides).values()
        figures += _figures(kind, pages, ours, bare)
        note = "all orders before wait in the lane, so that contents are compressed"
        each = tuple(1e6 * run["cpu"] / run["records"] for run in waiting)
        figures.append(Figure(f"{kind}: processor time of a record, while many orders wait", "µs", each, note=note))
    return Measured(figures)


#: The processor time of a record that is the goal, in microseconds.
_GOALS = {"retailcrm": 150, "dropstream": 120, "ordercloud": 220, "dropday": 100, "dropboy": 85}


def _figures(kind: str, pages: int, ours: list[dict[str, float]], bare: list[dict[str, float]]) -> list[Figure]:
    note = f"{pages} pages of {PAGE}, one process; cpu: of the process, without Redis and the server"
    alternative = "requests.Session.get and json.loads of the same answers"
    figures: list[Figure] = []
    for clock, words in (("wall", "records read, normalized, accepted"), ("cpu", "the same by processor second")):
        our_rates = tuple(run["records"] / run[clock] for run in ours)
        bare_rates = tuple(run["records"] / alone[clock] for run, alone in zip(ours, bare, strict=True))
        figures.append(Figure(f"{kind}: {words}", "/s", our_rates, bare_rates, alternative, ">= 0.5", note=note))
        if clock == "wall":
            figures.append(Figure(f"{kind}: {words}, in itself", "/s", our_rates, goal=">= 5000", note=note))
        else:
            each = tuple(1e6 / rate for rate in our_rates)
            goal = f"<= {_GOALS[kind]}"
            figures.append(Figure(f"{kind}: processor time of a record", "µs", each, goal=goal, note=note))
    return figures
