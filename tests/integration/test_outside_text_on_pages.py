"""Text that outsiders control changes no page, message, API response or table in which a person reads it."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

import pytest

from integration.test_outside_text import draw, fill, stored
from support.command_line import intake
from support.console import Browser, running_console
from support.settings_texts import Configured, dropday, retailcrm, route, table
from tasks.summary import Summary
from worker.app.flower_pages import format_task
from worker.settings.receivers import Mail
from worker.store.console.tokens import Tokens
from worker.telemetry.printable import printable
from worker.watch.digest import collect, write_digest
from worker.watch.judgements import Judgement
from worker.watch.mail import MailSender
from worker.watch.messages import write_alarm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from worker.runtime import Runtime

#: What a browser, a spreadsheet and a mail program would obey; the other parts are those of the terminal.
MARKUP: Final = (
    "<script>alert(1)</script>", "<x-evil>", '"><x-evil>', "'><x-evil x='",
    "<img src=x onerror=alert(1)>", '"><svg onload=alert(1)>', "' onmouseover='alert(1)",
    "<a href=javascript:alert(1)>x</a>", "</title><style>*{display:none}</style>", "{{7*7}}", "${7*7}", "<!--", "]]>",
    '=HYPERLINK("https://evil.example")', "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", "\r\n=1+1", "\uff1d1+1",
    "\r\nBcc: x@evil.example",
    '"}],"x":"',
)  # fmt: skip
#: Elements that no page of the console holds, and attributes that run a program.
FOREIGN: Final = frozenset({"x-evil", "style", "iframe", "object", "embed", "base"})
#: How a cell begins that a spreadsheet calculates.
FORMULA: Final = re.compile(r"^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")


class Elements(HTMLParser):
    """The elements of a page, and everything in it that a browser would run or load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.obeyed: list[str] = []
        #: What a person sees: texts, and attributes but the values that a form returns.
        self.shown: list[str] = []

    def handle_data(self, data: str) -> None:
        self.shown.append(data)

    def handle_comment(self, data: str) -> None:
        self.obeyed.append(f"comment {data}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        loads = tag in {"script", "img"} and not given.get("src", "").startswith("/static/")
        if tag in FOREIGN or loads:
            self.obeyed.append(tag)
        self.obeyed += [f"{tag} {name}" for name in given if name.startswith("on") or name == "style"]
        sent = tag in {"input", "option", "button"}
        self.shown += [value for name, value in given.items() if not (sent and name == "value")]
        for name in ("href", "src", "action", "formaction"):
            where = urlsplit(given.get(name, ""))
            if where.scheme or where.netloc:
                self.obeyed.append(f"{tag} {name}={given[name]}")


def assert_plain_page(text: str) -> None:
    elements = Elements()
    elements.feed(text)
    elements.close()
    assert elements.obeyed == []
    assert [shown for shown in elements.shown if printable(shown) != shown] == []


def assert_plain_table(text: str) -> None:
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    assert len({len(row) for row in rows}) == 1
    for row in rows[1:]:
        for cell in row:
            # A number of ours has no other sign than its minus.
            assert not FORMULA.match(cell) or re.fullmatch(r"-?\d+(\.\d+)?", cell), cell
            assert printable(cell) == cell


@pytest.fixture
def rt(configured: Configured, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    monkeypatch.setenv("COLUMNS", "4000")
    settings = (
        retailcrm("providers.shop") + dropday("targets.dropday") + route("shop", "dropday", reference="{external_id}")
    )
    return configured.open(settings + table("producers.web"))


@pytest.fixture
def browser(rt: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    with running_console(monkeypatch) as consoles:
        yield consoles.as_role("operator")


def texts_of(count: int) -> list[str]:
    drawn = draw(count)
    return [f"{MARKUP[number % len(MARKUP)]}{text}" if number % 2 else f"{text}{MARKUP[number % len(MARKUP)]}"
            for number, text in enumerate(drawn)]  # fmt: skip


def look_everywhere(rt: Runtime, browser: Browser, texts: Sequence[str], *, each: int) -> None:
    """Open every place of the console and of the API that shows texts of outsiders, and write every message."""
    held = rt.lanes["dropday"].held_keys()[:each]
    dead = [str(key) for key in rt.redis.zrange("intake:lane:dropday:dead", 0, each - 1)]
    pages = ["/", "/accounts", "/providers/shop", "/targets/dropday", "/targets/dropday/pause"]
    pages += [f"/lists/{name}" for name in ("dead", "held", "in_doubt", "records", "jobs")]
    pages += [f"/orders/{quote(key, safe='')}" for key in (*held, *dead)]
    pages += [f"/decide/release/dropday/{quote(key, safe='')}" for key in held]
    pages += [f"/decide/resend/dropday/{quote(key, safe='')}" for key in dead]
    for text in map(stored, texts[:each]):
        typed = quote(text, safe="")
        pages += [
            f"/{typed}",
            f"/lists/{typed}",
            f"/orders/{typed}",
            f"/lists/dead?account={typed}&reason={typed}&older={typed}",
        ]
    for path in pages:
        assert_plain_page(browser.get(path).text)
    for text in map(stored, texts[:each]):
        assert_plain_page(browser.send("/find", {"text": text, "q": text, "query": text}, at="/find").text)
        assert_plain_page(browser.post("/sign-in", {"name": text, "password": text, "csrf": text, "next": text}).text)
    for name in ("dead", "held", "in_doubt", "records", "jobs"):
        assert_plain_table(browser.get(f"/lists/{name}/export.csv").text)
    token = Tokens(rt.redis).add("fuzz", "operator")
    given = {"Authorization": f"Bearer {token}"}
    for path in ("/lists", "/lists/dead", "/lists/held", "/lists/records", "/lists/jobs",
                 *(f"/orders/{quote(key, safe='')}" for key in (*held, *dead)),
                 *(f"/orders?q={quote(stored(text), safe='')}" for text in texts[:each])):  # fmt: skip
        response = browser.get(f"/api/v1{path}", **given)
        assert response.headers["content-type"].startswith(("application/json", "application/problem+json"))
        assert response.headers["x-content-type-options"] == "nosniff"
        assert printable(response.text) == response.text
        json.loads(response.text)
    Tokens(rt.redis).remove("fuzz")
    look_at_messages(rt, texts)
    intake("pause", "dropday", "--reason", stored(texts[0]))
    assert_plain_table(intake("audit", "--csv").stdout)


def look_at_messages(rt: Runtime, texts: Sequence[str]) -> None:
    """Write every alarm and the digest as e-mail, and the result of a task as Flower shows it."""
    sender = MailSender(Mail(host="mail.example", sender="intake@example.com"), "ada@example.com")
    at = datetime.now(UTC)
    messages = [write_digest(collect(rt), at, "https://intake.example.com")]
    for text in map(stored, texts):
        alarm = Judgement("orders_died", text[:40], text, text, since=at.timestamp()).as_json()
        messages.append(write_alarm("raised", {**alarm, "by": "a"}, at, None))
    for message in messages:
        email = sender._email({"id": "1", **message})
        assert email.keys() == [
            "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type",
            "Content-Transfer-Encoding", "MIME-Version",
        ]  # fmt: skip
        assert email.get_content_type() == "text/plain"
        assert printable(email.get_content()) == email.get_content()
    for text in map(stored, texts):
        shown = repr(Summary("dropday", notes=[text], remedy=text))
        task = format_task(SimpleNamespace(exception=shown, result=None))
        assert printable(task.result) == task.result
        assert "\n" not in task.result


def test_no_page_message_or_table_obeys_what_outsiders_wrote(rt: Runtime, browser: Browser) -> None:
    texts = texts_of(45)
    fill(rt, texts)
    look_everywhere(rt, browser, texts, each=4)


@pytest.mark.repeat
@pytest.mark.timeout(1800)
def test_no_page_message_or_table_obeys_ten_thousand_texts(rt: Runtime, browser: Browser) -> None:
    """Repeat `test_no_page_message_or_table_obeys_what_outsiders_wrote`, which `make test` runs with fewer texts."""
    texts = texts_of(10_000)
    users = {name: rt.redis.dump(name) for name in rt.redis.scan_iter("intake:console*")}
    assert users
    for run in range(40):
        part = texts[run::40]
        for name in rt.redis.scan_iter("intake:*"):
            if name not in users:
                rt.redis.delete(name)
        fill(rt, part, run)
        look_everywhere(rt, browser, part, each=12)
