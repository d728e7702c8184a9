"""The table of rights in deploy/docs/security.md is that of deploy/users.acl.example; every process is on the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
PAGE: Final = (DEPLOY / "docs/security.md").read_text("utf-8")
#: Commands that change something; `+@write` and `+@all` are all of them.
WRITES: Final = frozenset(
    {"set", "lpush", "sadd", "srem", "del", "unlink", "expire", "zadd", "zrem", "brpop", "publish"}
)


def table() -> str:
    """Return the rights of each user, read from the file."""
    rows = ["| user | keys | writes | runs scripts | ends a script |", "|---|---|---|---|---|"]
    for line in (DEPLOY / "users.acl.example").read_text("utf-8").splitlines():
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


def test_the_page_shows_what_the_file_grants() -> None:
    assert table() in PAGE, table()


def test_no_user_but_those_of_people_and_workers_reads_an_order() -> None:
    users = {line.split()[1]: line for line in (DEPLOY / "users.acl.example").read_text("utf-8").splitlines()}
    for name in ("receive", "producer", "flower", "metrics"):
        assert not re.search(r"~intake:(\*|order|payload|history|malformed:\*\s)", users[name].replace("(+hlen ~", "("))


def test_the_page_names_every_process_and_every_secret() -> None:
    processes = [
        "`worker`",
        "`upkeep`",
        "`beat`",
        "`listen`",
        "`intake receive`",
        "`intake web`",
        "`intake metrics`",
        "Flower",
    ]
    secrets = [
        "key of an account",
        "signing secret",
        "secret of a hint",
        "password of Redis",
        "password of Flower",
        "session",
    ]
    assert [text for text in (*processes, *secrets) if text not in PAGE] == []
