"""Each process starts with the secrets that it uses, and without all others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from support.settings_texts import dropboy, dropday, ordercloud, retailcrm, route, table
from worker.errors import ConfigError
from worker.settings.document import ConfigErrors
from worker.settings.load import Settings, load
from worker.settings.needs import EVERYTHING, NEEDS_OF, NOTHING, PROCESS, Needs, needs_here
from worker.systems.providers import provider_kinds
from worker.systems.targets import target_kinds
from worker.systems.webhooks import webhook_kinds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Whose secrets each process has: those of accounts, of producers, and of alarms.
SECRETS_OF: Final = {
    "worker": {"ACCOUNT"},
    "listen": {"PRODUCER", "ALARM"},
    "upkeep": {"ALARM"},
    "beat": set[str](),
    "receive": {"PRODUCER"},
    "web": set[str](),
    "metrics": set[str](),
    "flower": set[str](),
}
#: The processes that use an account, or decide whose an order is: they need its address, but for its secrets.
TOUCH_ORDERS: Final = {"worker", "listen", "upkeep", "beat"}
#: What an account says that is no secret.
PUBLIC: Final = {"PLACE", "CLIENT", "NAME", "CURRENCY", "COUNTRY"}


def _text() -> str:
    """Return settings of every built-in system, in which every value that may come from outside does."""
    stream = table("providers.d", kind="dropstream", url="env:PLACE", user="env:NAME", password="env:TEST_KEY")
    accounts = [
        *(make(f"{section}.{name}", "env:PLACE", **more) for section, name, make, more in _BUILT),
        stream,
        *(route(source, "t1", reference="{provider}:{external_id}") for source in ("a1", "a2", "a3", "a4", "d")),
        route("web", "t2", "t3", "t4", reference="{provider}:{external_id}"),
    ]
    text = "\n".join(accounts).replace('client_id = "env:TEST_ACCOUNT"', 'client_id = "env:CLIENT"')
    text = re.sub(r"env:TEST_(KEY|ACCOUNT)", "env:ACCOUNT", text)
    producers = table("producers.web", secret="env:PRODUCER", former_secret="env:PRODUCER") + table(
        "producers.hooks", kind="standard", secret="file:PRODUCER", **{"for": ["a1"]}
    )
    mail = table("mail", host="mail.example.com", sender="a@example.com", user="env:ALARM", password="file:ALARM")
    alarms = table("alarms.to.people", mail=["b@example.com"]) + table("alarms.to.chat", url="env:ALARM_URL")
    return text + producers + mail + alarms


_BUILT: Final[list[tuple[str, str, Callable[..., str], dict[str, str]]]] = [
    ("providers", "a1", retailcrm, {"currency": "env:CURRENCY"}),
    ("providers", "a2", dropday, {}),
    ("providers", "a3", dropboy, {}),
    ("providers", "a4", ordercloud, {"auth_url": "env:PLACE"}),
    ("targets", "t1", retailcrm, {"currency": "env:CURRENCY"}),
    ("targets", "t2", dropday, {}),
    ("targets", "t3", dropboy, {}),
    ("targets", "t4", ordercloud, {"country": "env:COUNTRY"}),
]
VALUES: Final = {
    "PLACE": "https://place.example.com",
    "CLIENT": "client-id",
    "NAME": "user",
    "CURRENCY": "EUR",
    "COUNTRY": "NL",
    "ACCOUNT": "11111111-2222-3333-4444-555555555555",
    "PRODUCER": "whsec_" + "c2VjcmV0LW9mLWEtcHJvZHVjZXI0NTY3ODkwMTIzNDU2Nzg5",
    "ALARM": "alarm-secret",
    "ALARM_URL": "https://chat.example.com/hook/secret",
}


def read(folder: Path, needs: Needs, names: set[str]) -> Settings:
    """Read the settings where only these variables and files are there."""
    for name in ("PRODUCER", "ALARM"):
        (folder / name).unlink(missing_ok=True)
        if name in names:
            (folder / name).write_text(VALUES[name])
    file = folder / "intake.toml"
    file.write_text(_text())
    environ = {name: value for name, value in VALUES.items() if name.removesuffix("_URL") in names}
    return load(file, environ, provider_kinds(), target_kinds(), webhook_kinds(), needs=needs)


def missing(folder: Path, needs: Needs, names: set[str]) -> set[str]:
    """Return the names that the errors demand."""
    with pytest.raises(ConfigErrors) as refused:
        read(folder, needs, names)
    reasons = [problem.reason for problem in refused.value.problems]
    found = [re.search(r"(?:variable|file) (\w+) (?:is not set|does not exist)", reason) for reason in reasons]
    assert None not in found, reasons
    return {match[1].removesuffix("_URL") for match in found if match}


@pytest.mark.parametrize("process", NEEDS_OF)
def test_a_process_starts_with_its_own_secrets_and_demands_each_of_them(tmp_path: Path, process: str) -> None:
    needs, own = NEEDS_OF[process], SECRETS_OF[process]
    all_own = own | (PUBLIC if process in TOUCH_ORDERS else set())
    settings = read(tmp_path, needs, all_own)
    assert (len(settings.providers), len(settings.targets)) == (5, 4)
    if process in TOUCH_ORDERS:
        assert {account.url for account in settings.providers.values()} == {VALUES["PLACE"]}
    for name in all_own:
        assert missing(tmp_path, needs, all_own - {name}) == {name}


def test_without_a_process_everything_is_demanded_and_for_reading_nothing_is(tmp_path: Path) -> None:
    assert missing(tmp_path, EVERYTHING, set()) == PUBLIC | {"ACCOUNT", "PRODUCER", "ALARM"}
    assert read(tmp_path, NOTHING, set()).unset


def test_the_environment_names_the_process_that_it_is_for() -> None:
    assert needs_here({}) is needs_here({PROCESS: " "}) is EVERYTHING
    assert {name: needs_here({PROCESS: name}) for name in NEEDS_OF} == NEEDS_OF
    with pytest.raises(ConfigError, match=r"INTAKE_PROCESS.*is not a process"):
        needs_here({PROCESS: "workers"})
