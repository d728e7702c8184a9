"""What a command and a worker import: only what they use, and only the kinds of accounts that are configured."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from support.orders import order
from worker.store.orders.delivery import Delivery

if TYPE_CHECKING:
    from support.settings_texts import Configured

#: Run commands one after the other in one new process, then load what a worker shares with its pool; print what was
#: imported up to then.
_PROGRAM: Final = """
import contextlib, io, json, sys
from worker.cli import main
seen = {}
for words in (["--help"], ["status"], ["show", "shop:1"]):
    with contextlib.redirect_stdout(io.StringIO()):
        main(words, standalone_mode=False)
    seen[words[0]] = sorted(sys.modules)
from celery import signals
from worker.app import app
app.loader.import_default_modules()
signals.worker_before_create_process.send(sender=None)
seen["worker"] = sorted(sys.modules)
import worker.cli.run.up
from worker.cli.run.shared import import_shared
import_shared()
seen["up"] = sorted(sys.modules)
print(json.dumps(seen))
"""
#: Packages that no process needs here: the other kinds, traces, the asynchronous half of redis-py, pages.
_NOWHERE: Final = (
    "opentelemetry",
    "jinja2",
    "starlette",
    "uvicorn",
    "flower",
    "playwright",
    "redis.asyncio.client",
    "worker.web",
    "worker.lab",
    *(f"worker.systems.{kind}" for kind in ("dropboy", "dropstream", "ordercloud")),
    *(f"schemas.{kind}" for kind in ("dropboy", "dropboy_batch", "dropstream", "dropstream_order", "ordercloud")),
)
_BY_COMMAND: Final = (*_NOWHERE, "celery", "kombu", "requests", "urllib3", "structlog", "rich.live", "tasks")
FORBIDDEN: Final = {
    "--help": (*_BY_COMMAND, "redis", "pydantic", "rich", "asyncio", "worker.settings", "worker.store", "schemas"),
    "status": _BY_COMMAND,
    "show": _BY_COMMAND,
    "worker": (*_NOWHERE, "rich.live"),
    "up": (*_NOWHERE, "rich.live", "worker.cli.inbox"),
}


def test_a_process_imports_only_what_it_uses(configured: Configured) -> None:
    with configured.open() as rt:
        rt.ledger.accept("dropday", [Delivery(order("1", provider="shop"), "1")], "test")
    finished = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True, timeout=120)
    imported: dict[str, list[str]] = json.loads(finished.stdout.splitlines()[-1])
    for command, packages in FORBIDDEN.items():
        modules = imported[command]
        assert [name for name in modules for package in packages if f"{name}.".startswith(f"{package}.")] == [], command
    # What the first call of a worker needs is shared by the processes of its pool.
    assert {"worker.http.connection", "tasks.deliver", "worker.systems.retailcrm.provider"} <= {*imported["worker"]}
    # And `intake up` imports for all of its processes what a worker does, with Celery's own parts.
    assert {*imported["worker"], "celery.worker.consumer", "celery.apps.beat"} <= {*imported["up"]}
