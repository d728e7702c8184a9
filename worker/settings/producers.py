"""The settings of the inbox: who may push jobs, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, Field, SecretStr

from worker.settings.document import NAME, NO_NAME, Document, Key
from worker.settings.durations import Duration  # noqa: TC001  # pydantic reads it at run time
from worker.settings.kinds import read_options
from worker.settings.secret_files import FILE
from worker.settings.tables import SettingError, Table, as_list, fields_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from worker.settings.kinds import WebhookKind

#: Fields of a producer that are not keys of its table.
_NOT_KEYS: Final = frozenset({"options", "hints_only"})
#: The fewest characters of a secret, whatever it is for: who has one signed job can try all short ones at home.
_SHORTEST: Final = 20
_SECRETS: Final = ("secret", "former_secret")
#: How secrets of Standard Webhooks begin.
_MARK: Final = "whsec_"


class Producer(Table):
    """One `[producers.NAME]` table: a program that pushes jobs.

    A route names the producer itself for orders that cannot be read from an API; `for` names the providers for which
    it may push as well. The jobs of a producer with a `secret` are signed (see `schemas/job.py`). A producer with a
    `kind` may send webhooks to `intake receive`, which verifies the sender in the way of that kind and signs the jobs.
    """

    kind: str | None = None
    secret: SecretStr | None = None
    #: The secret until a moment ago, which still counts while senders change to the new one.
    former_secret: SecretStr | None = None
    pushes_for: Annotated[tuple[str, ...], BeforeValidator(as_list), Field(alias="for")] = ()
    #: The age, in seconds, at which its signatures expire; left out: that of `[inbox]`.
    tolerance: Duration | None = None
    #: As of an account.
    formerly: Annotated[tuple[str, ...], BeforeValidator(as_list)] = ()
    #: An instance of the kind's own `Options`.
    options: BaseModel = Table()
    #: Its kind only names orders, and so does what is pushed with its secret: the secret may stand in URLs and logs.
    hints_only: bool = False

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets that count, the present one first."""
        return tuple(each.get_secret_value() for each in (self.secret, self.former_secret) if each)


class InboxSettings(Table):
    """The `[inbox]` table.

    If `unsigned` is left out, unsigned jobs are refused as soon as one producer has a secret. `tolerance` is the age,
    in seconds, at which a signature expires: a job may have to wait over a weekend until it is read. `max_bytes` is the
    size of the largest job.
    """

    unsigned: Literal["accept", "refuse"] = "accept"
    tolerance: Duration = 7 * 86_400.0
    max_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 1024 * 1024


def read_inbox(document: Document, producers: dict[str, Producer]) -> InboxSettings:
    """Return the `[inbox]` table; note its errors in the document."""
    table = document.section(InboxSettings, "inbox")
    if "unsigned" not in table.model_fields_set and any(producer.secret for producer in producers.values()):
        return table.model_copy(update={"unsigned": "refuse"})
    return table


def read_producers(document: Document, kinds: Mapping[str, WebhookKind]) -> dict[str, Producer]:
    """Return the valid `[producers]` tables by name; note the errors of the others in the document."""
    tables = document.values.get("producers", {})
    if not isinstance(tables, dict):
        document.add_error(("producers",), "must be tables", "Write a table [producers.NAME].")
        return {}
    providers = document.tables("providers")
    producers: dict[str, Producer] = {}
    for name, table in tables.items():
        at: Key = ("producers", name)
        if not NAME.fullmatch(name):
            document.add_error(at, *NO_NAME)
        elif name in providers:
            document.add_error(at, "is a provider as well", f'Give it another name, and write for = ["{name}"].')
        elif (producer := _producer(document, at, table, kinds)) is not None:
            for key, reason, remedy in _conflicts(producer, kinds.get(producer.kind or ""), providers):
                document.add_error((*at, key), reason, remedy)
            producers[name] = producer
    return producers


def _producer(document: Document, at: Key, table: Any, kinds: Mapping[str, WebhookKind]) -> Producer | None:
    kind = table.get("kind") if isinstance(table, dict) else None
    if not isinstance(table, dict) or not isinstance(kind, str | None):
        return document.read(Producer, table, at)
    if kind is not None and kind not in kinds:
        document.add_error((*at, "kind"), "is not known", f"Choose from: {', '.join(sorted(kinds))}.")
        return None
    ours = fields_of(Producer).keys() - _NOT_KEYS
    options = read_options(document, at, table, ours, kinds[kind].Options if kind is not None else Table)
    producer = document.read(Producer, {key: table[key] for key in table.keys() & ours}, at)
    if producer is None or options is None:
        return None
    for key in _SECRETS:
        if getattr(producer, key) and (*at, key) not in document.from_outside:
            document.add_literal_secret((*at, key))
    hints_only = kind is not None and kinds[kind].hints_only
    return producer.model_copy(update={"options": options, "hints_only": hints_only})


def _conflicts(
    producer: Producer, kind: WebhookKind | None, providers: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    """Yield the key, the reason and the remedy of each setting that does not go together with the providers or kind."""
    for name in producer.pushes_for:
        if name not in providers:
            known = ", ".join(sorted(providers)) or "none"
            yield "for", f"{name} is not one of the providers", f"Choose from: {known}."
    if producer.former_secret and not producer.secret:
        yield "former_secret", "is set without a secret", 'Write the new one: secret = "env:NAME".'
    secrets = {key: value.get_secret_value() for key in _SECRETS if (value := getattr(producer, key))}
    # A missing environment variable or file is noted already.
    secrets = {key: secret for key, secret in secrets.items() if not secret.startswith(("env:", FILE))}
    if len(secrets.get("secret", " " * _SHORTEST).removeprefix(_MARK)) < _SHORTEST:
        yield "secret", f"is shorter than {_SHORTEST} characters", "Make it long and random: openssl rand -hex 32"
        del secrets["secret"]
    if kind is None:
        return
    if kind.hints_only and len(producer.pushes_for) != 1:
        yield "for", "must name the one provider whose orders its webhooks announce", 'Write for = ["NAME"].'
    if producer.secret is None:
        remedy = 'Write secret = "env:NAME": without it, anyone could send.'
        yield "secret", f"is missing, and webhooks of the kind {producer.kind} are checked by it", remedy
        return
    for key, secret in secrets.items():
        try:
            kind.check_secret(secret)
        except SettingError as error:
            yield key, error.reason, error.remedy
