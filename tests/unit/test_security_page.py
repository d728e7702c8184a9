"""The tables of deploy/docs/security.md are those of the code and of deploy/users.acl.example."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from starlette.routing import Route

from support.process_secrets import expected
from worker.inbox.receiver.service import service
from worker.web.app import PAGES
from worker.web.page import EVERYBODY

if TYPE_CHECKING:
    from worker.store.inbox import Inbox

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
PAGE: Final = (DEPLOY / "docs/security.md").read_text("utf-8")
ACL: Final = (DEPLOY / "users.acl.example").read_text("utf-8")
#: Commands that change something; `+@write` and `+@all` are all of them.
WRITES: Final = frozenset(
    {"set", "lpush", "sadd", "srem", "del", "unlink", "expire", "zadd", "zrem", "brpop", "publish"}
)


def section(title: str) -> list[list[str]]:
    """Return the cells of the rows of the tables below a heading, without their heads."""
    text = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return rows[2:]


def table() -> str:
    """Return the rights of each user, read from the file."""
    rows = ["| user | keys | writes | runs scripts | ends a script |", "|---|---|---|---|---|"]
    for line in ACL.splitlines():
        name, words = line.split()[1], line.split()[2:]
        everything = "+@all" in words
        granted = {word.strip("()").removeprefix("+") for word in words if word.strip("(").startswith("+")}
        keys = [word.strip("()").removeprefix("~") for word in words if word.startswith("~")]
        selected = [word.strip("()").removeprefix("~") for word in words if word.strip(")").startswith("~")]
        writes = everything or "@write" in granted or bool(granted & WRITES)
        cells = [
            f"`{name}`",
            " ".join(f"`{key}`" for key in dict.fromkeys([*keys, *selected])),
            "yes" if writes else "no",
            "yes" if everything or "evalsha" in granted else "no",
            "yes" if everything or "script|kill" in granted else "no",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def open_routes() -> str:
    """Return what each server shows to everybody, read from its routes."""
    receiver = [route.path for route in service([], cast("Inbox", None), 1, 1.0).routes if isinstance(route, Route)]
    console = sorted({page.path for page in PAGES if page.role == EVERYBODY})
    lines = {
        "intake receive": receiver,
        "intake web": console,
        "intake metrics": ["/metrics"],
    }
    rows = [f"- `{name}`: {', '.join(f'`{path}`' for path in paths)}." for name, paths in lines.items()]
    return "\n".join([*rows, "- Flower and `/api/v1`: nothing."])


def test_the_page_shows_what_the_file_grants() -> None:
    assert table() in PAGE, table()


def test_the_page_shows_every_route_that_needs_no_password() -> None:
    assert open_routes() in PAGE, open_routes()


def test_no_user_but_those_of_people_and_workers_reads_an_order() -> None:
    users = {line.split()[1]: line for line in ACL.splitlines()}
    for name in ("receive", "producer", "flower", "metrics"):
        assert not re.search(r"~intake:(\*|order|payload|history|malformed:\*\s)", users[name].replace("(+hlen ~", "("))


def test_every_secret_has_a_row_with_what_its_thief_may_do_and_how_it_is_changed() -> None:
    rows = section("What a stolen secret allows")
    assert all(len(row) == 5 and all(row) for row in rows)
    secrets = [row[0] for row in rows]
    users = [line.split()[1] for line in ACL.splitlines()]
    assert {f"the password of Redis for `{user}`" for user in users} == {
        secret for secret in secrets if secret.startswith("the password of Redis")
    }
    for kind in (
        "key of an account", "signing secret", "secret of a hint", "mail server's password", "password of Flower",
        "password of a user", "session", "token of the API", "backup",
    ):  # fmt: skip
        assert [secret for secret in secrets if kind in secret], kind


def test_the_holders_of_a_password_of_redis_are_the_processes_that_have_it() -> None:
    holders = {row[0]: row[1] for row in section("What a stolen secret allows")}
    for process, (user, _) in expected().items():
        held = holders[f"the password of Redis for `{user}`"]
        assert re.search(rf"`(intake )?{process}`", held), (process, held)


def test_every_entry_has_its_condition_and_its_limit() -> None:
    rows = [row for row in section("Who can reach what") if len(row) == 5]
    assert all(map(all, rows))
    entries = " ".join(row[0] for row in rows)
    for entry in ("intake receive", "intake web", "/api/v1", "intake metrics", "Flower", "intake:inbox", "accounts"):
        assert entry in entries
