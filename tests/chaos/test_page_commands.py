"""Every command of the pages that can be run here, in an installation with the names that the pages use."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from support.page_commands import PageCommand, page_commands
from support.page_reader import DOCS, Reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.paced, pytest.mark.repeat]

SANDBOX = """intake sandbox --port 9900 \
  --account retailcrm:nl:key=key-of-nl:orders=30 --account retailcrm:be:key=key-of-be:orders=10 \
  --account retailcrm:new:key=THE-KEY-OF-SHOP-BE:orders=5 --account retailcrm:crm:key=key-of-crm \
  --account dropday:main:key=key-of-dropday:account_id=7 --account dropday:wh:key=key-of-warehouse:account_id=8 \
  --fault dropday:create:422:times=40"""
SETTINGS = """
[providers.shop-nl]
kind = "retailcrm"
url = "http://127.0.0.1:9900/retailcrm/nl"
api_key = "env:SHOP_NL_KEY"
start = "2020-01-01"
poll_every = "5s"

[providers.shop-be]
kind = "retailcrm"
url = "http://127.0.0.1:9900/retailcrm/be"
api_key = "env:SHOP_BE_KEY"
start = "2020-01-01"
poll_every = "5s"

[targets.dropday]
kind = "dropday"
url = "http://127.0.0.1:9900/dropday/main"
api_key = "env:DROPDAY_KEY"
account_id = "env:DROPDAY_ACCOUNT"
placeholder = "-"

[targets.crm]
kind = "retailcrm"
url = "http://127.0.0.1:9900/retailcrm/crm"
api_key = "env:CRM_KEY"

[targets.warehouse]
kind = "dropday"
url = "http://127.0.0.1:9900/dropday/wh"
api_key = "env:WAREHOUSE_KEY"
account_id = "env:WAREHOUSE_ACCOUNT"
placeholder = "-"

[producers.crm-hook]
kind = "retailcrm"
secret = "env:CRM_HOOK_SECRET"
for = ["shop-nl"]

[inbox]
unsigned = "accept"

[secrets]
env_file = ".env"
"""
ROUTES = "".join(
    f'\n[[routes]]\nfrom = "{shop}"\nto = ["dropday", "crm", "warehouse"]\nreference = "{{provider}}:{{external_id}}"\n'
    for shop in ("shop-nl", "shop-be")
)
VARIABLES = """
SHOP_NL_KEY=key-of-nl
SHOP_BE_KEY=key-of-be
DROPDAY_KEY=key-of-dropday
DROPDAY_ACCOUNT=7
CRM_KEY=key-of-crm
WAREHOUSE_KEY=key-of-warehouse
WAREHOUSE_ACCOUNT=8
CRM_HOOK_SECRET=secret-of-the-hook-0001
"""
#: Pages that `test_tutorial.py` follows, or this test by itself.
FOLLOWED = ("tutorial.md", "change-a-key.md", "remove-a-shop.md", "add-a-shop.md")
#: Commands that are not run, and why.
NOT_RUN = {
    r"^(make|pip|docker|apt-get|systemctl|pytest|vi|python|redis-cli|curl|export|PYTHONPATH|INTAKE_FAILPOINTS)\b": (
        "programs of others, hours of work, or parts of a line; test_page_commands.py checks the targets of make"
    ),
    r"^touch /a/folder": "an example of a path",
    r"^intake up$": "runs already",
    r"^intake (drill|rename|forget warehouse|history demo/)": "change everything: each has tests of its own",
    r"^intake web user (add|password)": "asks for a password: test_console_access.py",
    r"^intake web user (role|remove)|^intake web$": "needs that user",
    r"^intake run flower|^intake receive": "needs a password or the fixed port: test_flower.py, test_receive.py",
    r"^intake alarms test": "sends messages: test_mail.py",
    r"^intake (push|init)\b.*(jobs.jsonl|^)$": "needs a file of jobs: test_producer_examples.py",
    r"mail\.txt": "needs a file",
    r"^intake init$": "asks questions: test_init_command.py",
    r"--actor 'anna\*'": "writes into a file: the same as --since",
    r"with a beat that hangs": "the beat does not hang here",
}
#: Commands that keep running.
STAY = r"^(INTAKE_ADDRESS=\S+ )?intake (run worker|metrics|sandbox)\b"
#: Commands that end with another exit code, because the page shows an error or the state does not exist here.
CODES = {
    r"^intake (show nowhere|doubt resolve|history run/)": 1,
    # Here some orders are dead on purpose.
    r"^intake (health --ready|reconcile|correct .*--undo)": None,
}


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    somebody = Reader(tmp_path)
    (tmp_path / ".env").write_text(VARIABLES)
    (tmp_path / "intake.toml").write_text((SETTINGS + ROUTES).replace("9900", str(somebody.port)))
    somebody.start(SANDBOX.replace("9900", str(somebody.port)))
    somebody.start("intake up --yes")
    yield somebody
    somebody.stop()


def settle(reader: Reader) -> None:
    """Wait until every order is delivered, held or dead."""
    end = time.monotonic() + 180
    while True:
        lanes = reader.status()["lanes"].values()
        if all(not lane["queued"] and not lane["in_flight"] for lane in lanes) and any(
            lane["dead_now"] for lane in lanes
        ):
            return
        assert time.monotonic() < end, lanes
        time.sleep(1)


def keys(reader: Reader, target: str) -> tuple[list[str], str]:
    """Return the keys of the dead orders of a target, and one that it has."""
    dead = [row["key"] for row in json.loads(reader.run(f"intake dead list --target {target} --json"))["orders"]]
    texts = (line.partition("| ")[2] for line in (reader.home / "terminal-1").read_text().splitlines())
    lines = (json.loads(text) for text in texts if text.startswith("{"))
    delivered = (line["order"] for line in lines if line["event"] == "order.delivered" and line["target"] == target)
    return dead, next(key for key in delivered if key.startswith("shop-nl:"))


def line_of(command: PageCommand, dead: list[str], delivered: str) -> str:
    """Return the command with keys of this installation, and without questions."""
    line = re.sub(r"\s+#.*", "", command.line)
    if re.search(r"intake (dead|correct) ", line) and dead:
        line = re.sub(r"shop-nl:\d+", dead.pop() if "discard" in line or "--set" in line else dead[-1], line)
    else:
        line = re.sub(r"shop-nl:\d+|(?<=show )391", delivered, line)
    line = re.sub(r"(intake correct shop\S+)", r"\1 --target dropday", line)
    asks = re.match(r"intake (backfill|cursor set|correct .*--(set|undo)|dead discard|doubt ask|release)", line)
    return f"{line} --yes" if asks and not re.search(r"--(yes|dry-run|preview)", line) else line


def labels(command: PageCommand) -> list[str]:
    """Return the words at the beginning of the lines that the page shows, where they are the same in each run."""
    found = (re.match(r"(?:Providers|Lanes|Inbox|Processes|Last done|Redis|Ledger)\b", line) for line in command.output)
    return [match[0] for match in found if match]


@pytest.mark.timeout(1800)
def test_the_commands_of_the_pages_work_as_they_are_written(reader: Reader) -> None:
    """Run each command.

    In `make test`, `test_each_command_of_intake_on_a_page_is_valid` parses them.
    """
    settle(reader)
    dead, delivered = keys(reader, "dropday")
    failed, ran = list[str](), set[str]()
    for command in page_commands():
        texts = command.line, re.sub(r"\s+#.*", "", command.line)
        if command.page.endswith(FOLLOWED) or any(re.search(pattern, text) for pattern in NOT_RUN for text in texts):
            continue
        line = line_of(command, dead, delivered)
        if line in ran:
            continue
        ran.add(line)
        code = next((code for pattern, code in CODES.items() if re.search(pattern, line)), 0)
        try:
            if re.search(STAY, line):
                reader.start(line.replace("--journal run/", "--journal run/ --port 0"))
            else:
                before = 'cd "$(mktemp -d)"; ' if line.startswith("intake init") else ""
                output = reader.run(f"{before}{line}", code)
                failed += [
                    f"{command.page}: {line}: {label} is missing" for label in labels(command) if label not in output
                ]
        except AssertionError as error:
            failed.append(f"{command.page}: {line}: {str(error)[:400]}")
            print(failed[-1])  # a run takes minutes
    assert failed == []
    assert len(ran) > 50


@pytest.mark.timeout(600)
def test_a_shop_is_added_as_the_page_says(reader: Reader) -> None:
    """Add the shop.

    In `make test`, `test_what_the_pages_show_is_taken` reads the table of the page.
    """
    settle(reader)
    page = (DOCS / "add-a-shop.md").read_text()
    table = re.sub(r"(?m)^   ", "", re.findall(r"(?s)```toml\n(.*?)```", page)[0]).replace("shop-be", "shop-new")
    table = table.replace("https://shop-new.retailcrm.example", f"http://127.0.0.1:{reader.port}/retailcrm/new")
    with (reader.home / "intake.toml").open("a") as settings:
        settings.write(table.replace("2026-12-01", "2020-01-01"))
    shown = reader.follow("add-a-shop.md", shop_be="shop-new")
    assert "provider shop-new: the credentials work" in "".join(shown)
    assert "shop-new" in shown[-1]
    reader.until_delivered("shop-new", target="dropday")
