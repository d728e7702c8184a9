"""The simulator in its own process, for any test that needs a system to call."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any, Self
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from support.forked_sandbox import ForkedSandbox

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_direct = build_opener(ProxyHandler({}))


class Sandbox:
    """The simulator: use it in a `with` statement, or call `start` and `stop`.

    `accounts`, `faults` and `limits` are specifications as on the command line: `retailcrm:main:orders=500`,
    `dropday:create:500_after:rate=0.02`, `retailcrm=off`. A system without an account in the list gets one named
    `main`. The credentials are `sandbox-key` and `sandbox-account`.
    """

    KEY = "sandbox-key"
    ACCOUNT_ID = "sandbox-account"

    def __init__(  # noqa: PLR0913  # the options of a command line
        self,
        *,
        accounts: Iterable[str] = (),
        faults: Iterable[str] = (),
        limits: Iterable[str] = (),
        systems: str = "retailcrm,dropday",
        seed: int = 1,
        journal: Path | None = None,
        port: int = 0,
    ) -> None:
        options = ["--systems", systems, "--seed", str(seed), "--port", str(port)]
        for option, values in (("--account", accounts), ("--fault", faults), ("--limit", limits)):
            for value in values:
                options += [option, value]
        if journal is not None:
            options += ["--journal", str(journal)]
        self._options = options
        self._process: ForkedSandbox | None = None
        self.port = port

    def start(self) -> Self:
        """Start the simulator and wait until it accepts connections."""
        self._process = ForkedSandbox(self._options)
        if not self._process.line:
            self.stop()
            raise RuntimeError("the sandbox did not start; its reason is on stderr")
        self.port = json.loads(self._process.line)["port"]
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop the simulator, by default with SIGTERM; return its exit code."""
        assert self._process is not None
        return self._process.stop(number)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process is not None
        return self._process.pid

    @property
    def base_url(self) -> str:
        """The URL of the simulator."""
        return f"http://127.0.0.1:{self.port}"

    def url(self, system: str, account: str = "main") -> str:
        """Return the base URL of an account, for the settings of an adapter."""
        return f"{self.base_url}/{system}/{account}"

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """Call the simulator's own API. Raise RuntimeError with its reason if it refuses the call."""
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.base_url}/_sandbox/{path}", data=data, method=method)
        try:
            with _direct.open(request, timeout=60) as response:
                return json.load(response)
        except HTTPError as error:
            with error:
                raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()}") from None

    def orders(self, system: str, account: str = "main") -> list[dict[str, Any]]:
        """Return every order of the account, complete."""
        orders: list[dict[str, Any]] = self.admin("GET", f"{system}/{account}/orders")["orders"]
        return orders

    def add_orders(self, count: int, system: str = "retailcrm", account: str = "main", **options: Any) -> list[str]:
        """Add made-up orders; `options`: `spread`, `over`, `missing_ids`, `hidden`. Return the system's ids."""
        ids: list[str] = self.admin("POST", f"{system}/{account}/orders", {"count": count, **options})["ids"]
        return ids

    def add_order(self, order: dict[str, Any], system: str = "retailcrm", account: str = "main") -> str:
        """Add one order in the system's own format, valid or not. Return the system's id."""
        return str(self.admin("POST", f"{system}/{account}/orders", {"order": order})["ids"][0])

    def change(self, order_id: str | int, system: str = "retailcrm", account: str = "main", **fields: Any) -> None:
        """Change an order as a user of the system would, or remove it with `deleted=True` or `combinedTo=id`."""
        self.admin("POST", f"{system}/{account}/orders/{quote(str(order_id), safe='')}/change", fields)

    def journal(self, since: int = 0, **only: Any) -> list[dict[str, Any]]:
        """Return the journal entries with these values: `journal(kind="effect", did="created")`."""
        entries = self.admin("GET", f"journal?since={since}")["entries"]
        return [entry for entry in entries if all(entry.get(key) == value for key, value in only.items())]

    def stats(self) -> dict[str, Any]:
        """Return, for each system, the counts of its limit (`accepted`, `refused`, ...), `did` and `orders`."""
        stats: dict[str, Any] = self.admin("GET", "stats")
        return stats

    def fault(self, spec: str) -> None:
        """Switch on a fault: `dropday:create:cut_after:times=1`."""
        self.admin("POST", "faults", {"spec": spec})

    def clear_faults(self, system: str | None = None) -> None:
        """Switch off the faults of one system, or all."""
        self.admin("DELETE", "faults" if system is None else f"faults?system={system}")

    def limit(self, **windows: float) -> None:
        """Change limits while the simulator runs: `limit(retailcrm=0)`."""
        self.admin("POST", "limits", windows)
