"""RabbitMQ as Celery's broker, killed during the work: it holds only nudges."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from chaos.rabbit import Rabbit, impossible
from support.command_line import intake_in
from support.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path

ORDERS, LATER = 150, 50
BROKER = """
[celery]
broker = "env:STACK_BROKER"
"""

pytestmark = pytest.mark.skipif(bool(impossible()), reason=impossible() or "possible")


def check(stack: Stack, url: str) -> dict[str, Any]:
    """Return the result of `intake check` for the broker."""
    done = intake_in(stack.home, "check", "--json", STACK_BROKER=url)
    assert "guest" not in done.stdout
    (finding,) = [finding for finding in json.loads(done.stdout) if finding["what"] == "broker"]
    return dict(finding)


@pytest.mark.timeout(240)
def test_a_killed_rabbitmq_loses_and_duplicates_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill the broker of a stack whose target accepts duplicates."""
    with Rabbit(tmp_path / "rabbit") as rabbit:
        monkeypatch.setenv("STACK_BROKER", rabbit.url)
        with Stack(tmp_path, ORDERS - LATER, limit="40/s", dedupe="off", extra=BROKER) as stack:
            stack.start()
            stack.wait(lambda: stack.created() > 20, 90, "the first orders")
            rabbit.kill()
            before = stack.created()
            stack.add(LATER)
            assert check(stack, rabbit.url)["detail"].startswith("the broker does not respond")
            # A running drain continues; it needs the broker only at its end, to nudge the next one.
            stack.wait(lambda: '"broker.away"' in stack.log(), 60, "the log to say so")
            meanwhile = stack.created() - before
            rabbit.start()
            back = time.monotonic()
            rabbit.wait()
            stack.wait(lambda: stack.created() >= ORDERS, 120, "all orders")
            print(f"{meanwhile} while it was away, all {time.monotonic() - back:.1f} s after it was started again")
            stack.wait(stack.settled, 60, "settled")
            assert check(stack, rabbit.url)["detail"].startswith("a message of Celery passed RabbitMQ ")
            wrong = check(stack, rabbit.url.replace("guest:guest", "guest:other"))
            assert wrong["remedy"] == "Check the user, the password and the host in celery.broker."
            comparison = stack.compare()
            left = stack.stop()
    print(comparison)
    assert comparison.clean, str(comparison)
    assert comparison.orders == ORDERS
    assert meanwhile > 0, "the drains that had begun did not go on"
    assert left == []
