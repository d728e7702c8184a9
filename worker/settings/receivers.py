"""The receivers of alarms, `[alarms.to.NAME]`, and the mail server that some of them need."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo

from worker.settings.addresses import hook_url, is_loopback
from worker.settings.document import NAME, NO_NAME
from worker.settings.durations import Duration  # noqa: TC001  # pydantic reads it at run time
from worker.settings.maintenance import Maintenance, Window, zone
from worker.settings.tables import SettingError, Table, as_list

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from worker.settings.document import Document

#: The names of all alarms.
AlarmName = Literal[
    "provider_late", "cursor_stands", "provider_quiet", "provider_paused", "hooks_missed", "records_unreadable",
    "lane_old", "lane_paused", "target_failing", "orders_died", "orders_in_doubt", "orders_held", "reconcile_found",
    "map_unreadable", "inbox_unheard", "jobs_refused", "beat_silent", "upkeep_silent", "worker_silent",
    "account_gone", "account_refused", "work_untaken", "clock_stepped", "redis_full", "redis_not_saving",
    "messages_unsent",
]  # fmt: skip
ALARM_NAMES: Final[tuple[str, ...]] = get_args(AlarmName)
#: A plain address: no display name, no quotes, ASCII only. Longer ones than this no server accepts.
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?")
_TIME: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
#: The shortest `again_after`: a message in each interval of the watch would be noise.
_SHORTEST: Final = 60.0
#: A digest that could not be made at its time is made up to this much later.
DIGEST_LATE: Final = timedelta(hours=6)


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise SettingError("is not an e-mail address", "Write it like ops@example.com, without a name around it.")
    return text


def _hours(value: Any) -> tuple[Window, ...]:
    try:
        return tuple(Window.parse(text) for text in as_list(value))
    except (AttributeError, TypeError, ValueError):
        remedy = 'Write ["Mon-Fri 08:00-18:00"], ["Sat 10:00-14:00"] or ["daily 07:00-22:00"].'
        raise SettingError("is not a time of the week", remedy) from None


def _clock(value: Any) -> time:
    if not isinstance(value, str) or (match := _TIME.fullmatch(value)) is None:
        raise SettingError("is not a time of the day", 'Write it like "08:00".')
    return time(int(match[1]), int(match[2]))


def _patient(seconds: float) -> float:
    if seconds < _SHORTEST:
        raise SettingError("is too short", 'Write "1m" or more.')
    return seconds


@dataclass(frozen=True, slots=True)
class Destination:
    """One webhook or one mailbox of a receiver."""

    receiver: str
    #: Its name in Redis, which stays the same when the order of the addresses changes. It contains no address.
    key: str
    #: Its key in the settings, which names it without showing it: `alarms.to.ops.mail[1]`.
    setting: str
    #: The address; None for a webhook.
    address: str | None = None


class Receiver(Table):
    """The table `[alarms.to.NAME]`: where messages are sent, about which alarms, and when."""

    #: A webhook that accepts JSON (Slack's, or one that reads the other fields).
    url: Annotated[SecretStr, AfterValidator(hook_url)] | None = None
    #: E-mail addresses, each of which receives its own messages.
    mail: Annotated[tuple[Annotated[str, AfterValidator(_address)], ...], BeforeValidator(as_list)] = ()
    #: Only these alarms; all if there are none.
    only: Annotated[tuple[AlarmName, ...], BeforeValidator(as_list)] = ()
    #: Only alarms of these providers and targets.
    accounts: Annotated[tuple[str, ...], BeforeValidator(as_list)] = ()
    #: When messages are sent: what is raised and over outside of them is not sent at all.
    hours: Annotated[tuple[Window, ...], BeforeValidator(_hours)] = ()
    #: When the daily digest of what waits for a person is sent; never if there is none.
    digest: Annotated[time, BeforeValidator(_clock)] | None = None
    #: The time zone of `hours` and `digest`.
    time_zone: Annotated[str, AfterValidator(zone)] = "UTC"
    #: Send a message again while its alarm is raised, this long after the last one.
    again_after: Annotated[Duration, AfterValidator(_patient)] | None = None

    def wants(self, alarm: str, subject: str) -> bool:
        """Return whether the receiver gets messages about this alarm; a pair ("a > b") is of both its accounts."""
        if self.only and alarm not in self.only:
            return False
        return not self.accounts or not set(self.accounts).isdisjoint(subject.split(" > "))

    def is_open(self, now: datetime) -> bool:
        """Return whether messages are sent at this time."""
        return not self.hours or Maintenance(self.hours, self.time_zone).left(now) > 0

    def digest_due(self, now: datetime) -> str:
        """Return the day whose digest is due at this time, as text; empty if none is."""
        if self.digest is None:
            return ""
        local = ZoneInfo(self.time_zone)
        day = now.astimezone(local).date()
        for date in (day, day - timedelta(days=1)):
            due = datetime.combine(date, self.digest, local)
            if timedelta() <= now - due < DIGEST_LATE:
                return date.isoformat()
        return ""

    def destinations(self, name: str) -> Iterator[Destination]:
        """Yield the webhook and the mailboxes of this receiver, which is called `name`."""
        if self.url is not None:
            yield Destination(name, name, f"alarms.to.{name}.url")
        for number, address in enumerate(self.mail):
            if address not in self.mail[:number]:
                digest = hashlib.sha256(address.encode()).hexdigest()[:12]
                yield Destination(name, f"{name}/{digest}", f"alarms.to.{name}.mail[{number}]", address)


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise SettingError("is not the name of a host", 'Write it like "smtp.example.com", without a port.')
    return text


def _file(text: str, info: ValidationInfo) -> Path:
    path = Path(info.context["folder"] if info.context else ".") / text
    if not path.is_file():
        raise SettingError("is not a file", "Name a file of certificates in PEM form, relative to the settings.")
    return path


class Mail(Table):
    """The `[mail]` table: the SMTP server that sends e-mails, and how to log in to it."""

    host: Annotated[str, AfterValidator(_host)]
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    #: starttls: encrypted after STARTTLS (port 587). implicit: from the first byte on (port 465). none: a relay on this
    #: machine (port 25). The certificate is always verified, and no message is sent without it.
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    user: str | None = Field(default=None, min_length=1)
    password: SecretStr | None = None
    #: The address that e-mails come from.
    sender: Annotated[str, AfterValidator(_address)]
    #: The certificates to trust instead of those of the system.
    ca_file: Annotated[Path, BeforeValidator(_file)] | None = None

    @property
    def address(self) -> tuple[str, int]:
        """The host and the port."""
        return self.host, self.port or {"starttls": 587, "implicit": 465, "none": 25}[self.tls]

    def conflicts(self) -> Iterator[tuple[str, str, str]]:
        """Yield the key, the reason and the remedy for each pair of settings that do not fit together."""
        if (self.user is None) != (self.password is None):
            yield "user" if self.user is None else "password", "is missing", "Write both user and password, or neither."
        if self.tls == "none" and self.user is not None:
            yield "tls", "is none, and the password would travel unencrypted", 'Write "starttls" or "implicit".'
        if self.tls == "none" and not is_loopback(self.host):
            yield "tls", "is none, and messages would travel unencrypted", 'Write "starttls" or "implicit".'


def read_mail(document: Document) -> Mail | None:
    """Read the `[mail]` table; note its errors in the document. Return None if there is none."""
    if "mail" not in document.values:
        return None
    mail = document.read(Mail, document.values["mail"], ("mail",))
    if mail is not None:
        for key, reason, remedy in mail.conflicts():
            document.add_error(("mail", key), reason, remedy)
        if mail.password and ("mail", "password") not in document.from_outside:
            document.add_literal_secret(("mail", "password"))
    return mail


def read_receivers(document: Document, tables: Any, accounts: Collection[str]) -> dict[str, Receiver]:
    """Read the tables `[alarms.to.NAME]`; note their errors in the document."""
    if not isinstance(tables, dict):
        document.add_error(("alarms", "to"), "must be a table", "Write [alarms.to.NAME] for each receiver.")
        return {}
    receivers: dict[str, Receiver] = {}
    for name, table in tables.items():
        at = ("alarms", "to", name)
        if not NAME.fullmatch(name):
            document.add_error(at, *NO_NAME)
        elif receiver := document.read(Receiver, table, at):
            receivers[name] = receiver
            _check(document, name, receiver, accounts)
    return receivers


def _check(document: Document, name: str, receiver: Receiver, accounts: Collection[str]) -> None:
    at = ("alarms", "to", name)
    if receiver.url and (*at, "url") not in document.from_outside:
        document.add_literal_secret((*at, "url"))
    if not receiver.url and not receiver.mail:
        document.add_error(at, "has no address", 'Add mail = ["…"], or url = "env:…" for a webhook.')
    if receiver.mail and "mail" not in document.values:
        document.add_error((*at, "mail"), "needs a mail server", "Add a table [mail] with host and sender.")
    for account in receiver.accounts:
        if account not in accounts:
            remedy = f"Choose from: {', '.join(sorted(accounts)) or 'none'}."
            document.add_error((*at, "accounts"), f"{account} is not one of the accounts", remedy)
