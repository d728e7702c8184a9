"""The route of the README lets live orders of every system pass, and leaves cancelled ones out."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from schemas.order import Order, Status
from worker.cli.setup import template
from worker.settings.routes import Route

ROOT = Path(__file__).parents[2]
RECORDINGS = ROOT / "tests" / "contract" / "recordings" / "providers"
README = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[0]
LEFT_OUT = {Status.CANCELLED, Status.RETURNED, Status.EXCLUDED, Status.ON_HOLD}


@pytest.mark.parametrize("system", sorted(folder.name for folder in RECORDINGS.iterdir() if folder.is_dir()))
def test_the_documented_route_passes_live_orders_and_leaves_cancelled_ones_out(system: str) -> None:
    (table,) = tomllib.loads(README)["routes"]
    route = Route.model_validate(table)
    recorded = [json.loads(file.read_text(encoding="utf-8")) for file in sorted((RECORDINGS / system).glob("*.json"))]
    orders = [
        Order.model_validate(order)
        for scene in recorded
        for order in scene.get("orders", ())
        if "malformed" not in order
    ]
    live = [order for order in orders if order.status not in LEFT_OUT and not order.test]
    assert live
    for order in live:
        assert route.left_out(order) is None, order.key
        for status in LEFT_OUT:
            assert route.left_out(order.model_copy(update={"status": status})) is not None


def test_intake_init_writes_no_filter() -> None:
    lines = Path(template.__file__).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if re.match(r"\s*f?'only", line)] == []
