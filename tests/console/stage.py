"""A console process over a ledger with orders in every state, and a browser that has signed in to it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from playwright.sync_api import sync_playwright

from support.console_world import SETTINGS, fill, fill_comparison, fill_days
from support.programs import require_program
from support.settings_texts import SECRET_KEY, table
from worker.runtime import Runtime, read_settings
from worker.store.console.users import ROLES, Users
from worker.web import passwords
from worker.web.paths import compared_path, correct_path, decision_path, order_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: The password of every user, who is called like the role.
PASSWORD: Final = "correct horse battery"
#: Every page by the name of its picture; what a form leads to is opened by `open_page`.
PAGES: Final = {
    "home": "/",
    "find": "/find",
    "found": "/find",
    "order": order_path("shop-nl:02"),
    "doubt": order_path("shop-nl:04"),
    "decide": decision_path("resend", "warehouse", "shop-nl:02"),
    "lists": "/lists",
    "correct": correct_path("warehouse", "shop-nl:02"),
    "pause": "/targets/warehouse/pause",
    "accounts": "/accounts",
    "provider": "/providers/shop-nl",
    "target": "/targets/warehouse",
    "backfill": "/providers/shop-nl/backfill?since=2026-01-01&until=2026-01-31",
    "cursor": "/providers/shop-nl/cursor?since=2026-01-01T00:00",
    "compared": "/compared/shop-nl/warehouse",
    "difference": compared_path("shop-nl", "warehouse", "shop-nl:01"),
    "report": "/report",
    "audit": "/audit",
    "missing": "/orders/shop-nl%3A999",
}


@dataclass(frozen=True)
class Stage:
    """A running console, and the runtime of its ledger."""

    url: str
    rt: Runtime
    process: subprocess.Popen[str]


@contextmanager
def running(home: Path, redis_url: str) -> Iterator[Stage]:
    """Empty Redis and fill the ledger, run the console until the end of the block, and end it by SIGTERM."""
    file = home / "intake.toml"
    # The signs of life that the ledger is filled with last for a while.
    file.write_text(table("redis", url=redis_url) + table("alarms", silent_after="10m") + SETTINGS)
    environment = {"INTAKE_CONFIG": str(file), "TEST_KEY": SECRET_KEY, "TEST_ACCOUNT": SECRET_KEY}
    os.environ.update(environment)
    with Runtime(read_settings()) as rt:
        rt.redis.flushall()
        fill(rt)
        fill_days(rt)
        fill_comparison(rt)
        # What a hash costs is part of it: one browser after another signs in.
        cost, passwords.COST = passwords.COST, (2, 1, 1)
        hashed, passwords.COST = passwords.hash_password(PASSWORD), cost
        for role in ROLES:
            Users(rt.redis).add(role, role, hashed)
        Users(rt.redis).add("ada", "operator", hashed)
        command = [sys.executable, "-m", "worker.cli", "web", "--port", "0"]
        with subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr
            try:
                line = process.stderr.readline()
                url = re.search(r"http://[0-9.:]+", line)
                assert url, line + process.stderr.read()
                yield Stage(url[0], rt, process)
            finally:
                process.terminate()
                process.wait(20)


@contextmanager
def browser() -> Iterator[Any]:
    """Run Debian's Chromium until the end of the block."""
    path = require_program("chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@contextmanager
def visitor(chromium: Any, stage: Stage, role: str = "operator", **options: Any) -> Iterator[Any]:
    """Yield a page of a browser in which the user of this role has signed in."""
    context = chromium.new_context(base_url=stage.url, reduced_motion="reduce", **options)
    page = context.new_page()
    page.goto("/sign-in")
    page.get_by_label("Name").fill(role)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
    yield page
    context.close()


def open_page(page: Any, name: str) -> None:
    """Open one of `PAGES`."""
    page.goto(PAGES[name])
    if name == "found":
        page.locator("#q").fill("NL-100")
        page.get_by_role("button", name="Find").click()
        page.wait_for_load_state()
