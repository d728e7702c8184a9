"""The world of the demo: simulated accounts, their faults, and the settings of Intake between them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from worker.http.client import Client
from worker.http.gates import Open
from worker.lab.history import command as history
from worker.lab.history.compare import Comparison, compare
from worker.lab.history.essence import in_source, in_target
from worker.lab.history.routes import Route
from worker.process.intake_orders import command as own_command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY: Final = "demo-key"
#: The system of each provider.
SOURCES: Final = {
    "shop": "retailcrm",
    "stream": "dropstream",
    "cloud-shop": "ordercloud",
    "web": "dropday",
    "jobs": "dropboy",
}
#: The system of each target.
TARGETS: Final = {"warehouse": "dropday", "crm": "retailcrm", "cloud": "ordercloud", "carrier": "dropboy"}
#: The targets of each source: a transport job of Dropboy has no goods, which the other targets need.
ROUTES: Final = {source: tuple(TARGETS) for source in SOURCES} | {"jobs": ("crm", "carrier")}
#: The injected faults: responses lost after the order was created, server errors, pages that are not JSON.
FAULTS: Final = (
    "dropday:create:500_after:times=5:skip=40",
    "dropday:create:cut_after:times=5:skip=80",
    "dropday:create:503:times=2:skip=120:retry_after=1",
    "retailcrm:history:html:times=1:skip=1",
    "retailcrm:upload:cut_after:times=1:skip=2",
    "ordercloud:submit:cut_after:times=5:skip=10",
    "ordercloud:line_put:500_after:times=3:skip=30",
    "ordercloud:list:503:times=1:skip=1",
    "dropboy:status:500:times=3:skip=20",
    "dropstream:list:500:times=1",
)
_ACCOUNTS: Final = {
    "retailcrm": "key={key}",
    "dropstream": "user=demo:key={key}",
    # It accepts whole quantities only, and orders in its user's currency; this user has none.
    "ordercloud": "key={key}:client={key}:currency=",
    "dropday": "key={key}:account_id={key}",
    "dropboy": "key={key}",
}
_OPTIONS: Final = {
    "retailcrm": 'api_key = "env:DEMO_KEY"',
    "dropstream": 'user = "demo"\npassword = "env:DEMO_KEY"\nlimit = "50/s"',
    "ordercloud": 'client_id = "demo-key"\nclient_secret = "env:DEMO_KEY"\nlimit = "200/s"',
    "dropday": 'api_key = "env:DEMO_KEY"\naccount_id = "env:DEMO_KEY"\nlimit = "60/s"',
    "dropboy": 'api_key = "env:DEMO_KEY"\nlimit = "100/s"',
}
_AS_PROVIDER: Final = {
    "retailcrm": "overlap = 5",
    "dropstream": 'overlap = "5s"\npage_size = 100',
    "ordercloud": 'overlap = "10s"',
}
_AS_TARGET: Final = {
    "dropday": 'placeholder = "-"\nconcurrency = 1',
    "retailcrm": 'currency = "EUR"\nconcurrency = 1',
    "ordercloud": 'buyer_id = "storefront"\nuser_id = "importer"\nproducts = "sku"',
    "dropboy": "concurrency = 1",
}
#: How far each target follows its sources, beside the creation of every order.
_RULES: Final = {
    "dropday": frozenset({"creates-all"}),
    # Without `status_map`, it holds a cancellation for a person.
    "retailcrm": frozenset({"creates-all", "updates"}),
    "ordercloud": frozenset({"creates-all", "updates", "cancels"}),
    "dropboy": frozenset({"creates-all"}),
}
_ORIGIN: Final = '[targets.carrier.origin]\naddress = "Dock Rd 1"\nzip_code = "8000"\ncity = "Aarhus"\n'

#: Every order of a source is created, whatever its status is.
_EVERY: Final = 'also_create = ["cancelled", "returned", "excluded", "on_hold", "test"]\n'


def config(base: str) -> str:
    """Return the text of `intake.toml` for simulated systems at `base`."""
    # The systems are fast and local: after a loss of Redis, requests in flight arrive soon.
    parts = ['[log]\nformat = "json"\n\n[clocks]\nrequest = "5s"\narrived = "5s"\n']
    for section, accounts, own in (("providers", SOURCES, _AS_PROVIDER), ("targets", TARGETS, _AS_TARGET)):
        for name, kind in accounts.items():
            poll = 'start = "2020-01-01"\npoll_every = "2s"\n' if section == "providers" else ""
            parts.append(
                f'[{section}.{name}]\nkind = "{kind}"\nurl = "{base}/{kind}/{name}"\n'
                f"{_OPTIONS[kind]}\n{poll}{own.get(kind, '')}\n"
            )
    parts.append(_ORIGIN)
    for source, targets in ROUTES.items():
        to = ", ".join(f'"{target}"' for target in targets)
        parts.append(
            f'[[routes]]\nfrom = "{source}"\nto = [{to}]\nreference = "{{provider}}:{{external_id}}"\n{_EVERY}'
        )
    return "\n".join(parts)


def routes() -> list[Route]:
    """Return the same routes in the notation of the journals."""
    return [
        Route((SOURCES[source], source), (TARGETS[target], target), f"{source}:{{id}}", _RULES[TARGETS[target]])
        for source, to in ROUTES.items()
        for target in to
    ]


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The running simulated systems of a demo."""

    base: str
    client: Client

    def _orders(self, system: str, account: str) -> list[dict[str, Any]]:
        orders: list[dict[str, Any]] = self.client.read(f"/_sandbox/{system}/{account}/orders").json()["orders"]
        return orders

    def add(self, source: str, count: int, over: float) -> None:
        """Place orders in `source` within the next `over` seconds."""
        path = f"/_sandbox/{SOURCES[source]}/{source}/orders"
        self.client.write("POST", path, json={"count": count, "over": over})

    def held(self) -> dict[str, int]:
        """Return the number of orders of each source and target, by name."""
        stats = self.client.read("/_sandbox/stats").json()
        return {name: int(stats[kind]["orders"][name]) for name, kind in {**SOURCES, **TARGETS}.items()}

    def faults(self) -> int:
        """Return how many faults were injected."""
        return sum(int(fault["fired"]) for fault in self.client.read("/_sandbox/faults").json()["faults"])

    def compare(self) -> dict[str, Comparison]:
        """Compare the orders that each target must have with those that it has."""
        sources = {name: in_source(kind, name, self._orders(kind, name)) for name, kind in SOURCES.items()}
        return {
            target: compare(
                (order for source in SOURCES if target in ROUTES[source] for order in sources[source]),
                in_target(kind, self._orders(kind, target)),
            )
            for target, kind in TARGETS.items()
        }


@contextlib.contextmanager
def stop_at_end(process: subprocess.Popen[Any], grace: float) -> Iterator[None]:
    """Stop the process when the block ends, even with an error."""
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def sandbox(orders: int, journals: Path) -> Iterator[Sandbox]:
    """Run simulated systems during the block, with `orders` orders in each source and their journals in `journals`."""
    journals.mkdir(parents=True, exist_ok=True)
    for old in journals.glob("*.jsonl"):
        old.unlink()
    (journals / history.ROUTES).write_text("".join(f"{route}\n" for route in routes()))
    command = own_command("worker.lab.sandbox", "--parent", str(os.getpid()), "--journal", str(journals))
    for name, kind in SOURCES.items():
        command += ["--account", f"{kind}:{name}:{_ACCOUNTS[kind].format(key=KEY)}:orders={orders}:fractions=0"]
    for name, kind in TARGETS.items():
        command += ["--account", f"{kind}:{name}:{_ACCOUNTS[kind].format(key=KEY)}"]
    command += [part for fault in FAULTS for part in ("--fault", fault)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)  # noqa: S603  # ours
    with stop_at_end(process, 5):
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise click.ClickException("the simulated systems did not start; see their output above")
        base = f"http://127.0.0.1:{json.loads(line)['port']}"
        yield Sandbox(base, Client(base, gate=Open(), headers={}))
