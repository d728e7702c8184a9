"""The accounts of a soak, and the text of its `intake.toml`."""

from __future__ import annotations

KEY = "soak-key"
#: The password of a user of the console, who is named like the key.
PASSWORD = "a-soak-of-a-million"
#: The target of each source, and below its share of all orders.
SHOPS = {"shop1": "depot", "shop2": "depot", "shop3": "crm", "shop4": "crm"}
PUSHED, HINTED = "web", "tips"
SOURCES = {**SHOPS, PUSHED: "depot", HINTED: "depot"}
SHARES = {**dict.fromkeys(SHOPS, 0.22), PUSHED: 0.11, HINTED: 0.01}
_HEAD = """\
[log]
level = "warning"
format = "json"
[clocks]
lease = "{lease}ms"
heartbeat = "{beat}ms"
[inbox]
unsigned = "accept"
[producers.web]
[targets.depot]
kind = "depot"
url = "http://127.0.0.20:{port}/depot"
api_key = "env:SOAK_KEY"
account_id = "env:SOAK_KEY"
limit = "none"
[targets.crm]
kind = "retailcrm"
url = "http://127.0.0.21:{port}/crm"
api_key = "env:SOAK_KEY"
limit = "40/s"
limit_scope = "crm"
bulk = {bulk}
time_zone = "UTC"
status_map = {{ cancelled = "cancel-other" }}
"""
#: Each shop has its own address and its own limit.
_SHOP = """\
[providers.{name}]
start = "2020-01-01"
kind = "retailcrm"
url = "http://127.0.0.{address}:{port}/{name}"
api_key = "env:SOAK_KEY"
limit_scope = "{name}"
time_zone = "UTC"
poll_every = "{every}"
overlap = 3
"""
_ROUTE = """\
[[routes]]
from = "{name}"
to = ["{target}"]
reference = "{{provider}}:{{external_id}}"
"""
#: The name of an account before the rename in the middle, and after it.
RENAMED = ("shop2", "winkel")


def settings(port: int, lease: float, bulk: int) -> str:
    """Return the text of `intake.toml` for systems on this port."""
    text = _HEAD.format(port=port, bulk=bulk, lease=round(lease * 1000), beat=round(lease * 300))
    for address, name in enumerate((*SHOPS, HINTED), 2):
        # The source of the hinted orders is polled too seldom to matter.
        every = f"{round(lease * 500)}ms" if name in SHOPS else "1d"
        text += _SHOP.format(name=name, address=address, port=port, every=every)
    return text + "".join(_ROUTE.format(name=name, target=target) for name, target in SOURCES.items())
