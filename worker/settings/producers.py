"""The settings of the inbox: who may push, and how."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, SecretStr

from worker.settings.document import NAME, NO_NAME, Document, Key, Table, listed
from worker.settings.durations import Duration  # noqa: TC001  # pydantic reads it at run time

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Whose webhooks `intake receive` understands (see `worker/inbox/receiver/`).
HookKind = Literal["ordercloud", "retailcrm", "dropboy", "standard", "signed"]
#: Those whose webhooks say only which order changed.
_HINTING: Final = frozenset({"ordercloud", "retailcrm", "dropboy"})
#: Those that have no signature: the secret itself travels, in the URL.
_UNSIGNED: Final = frozenset({"retailcrm", "dropboy"})
_SHORTEST: Final = 20


class Producer(Table):
    """One `[producers.NAME]` table: somebody who pushes jobs.

    Orders that no API can be asked for come `from` the producer itself; `for` names the providers for which it may push
    besides. With a `secret` its jobs are signed (see `schemas/job.py`). With a `kind` it may send webhooks to
    `intake receive`, which proves who it is as that kind does, and signs.
    """

    kind: HookKind | None = None
    secret: SecretStr | None = None
    pushes_for: Annotated[tuple[str, ...], BeforeValidator(listed), Field(alias="for")] = ()


class InboxTable(Table):
    """The `[inbox]` table.

    `unsigned` jobs are refused as soon as one producer has a secret, unless it says otherwise. `tolerance` (seconds) is
    how old a signature may be: a job may have to wait over a weekend for whoever reads it. `max_bytes` is the size of
    the largest job.
    """

    unsigned: Literal["accept", "refuse"] | None = None
    tolerance: Duration = 7 * 86_400.0
    max_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 1024 * 1024


class InboxSettings(Table):
    """The same, decided."""

    unsigned: Literal["accept", "refuse"] = "accept"
    tolerance: float = 7 * 86_400.0
    max_bytes: int = 1024 * 1024


def read_inbox(document: Document, producers: dict[str, Producer]) -> InboxSettings:
    """The `[inbox]` table; what is wrong with it is noted in the document."""
    table = document.read(InboxTable, document.values.get("inbox", {}), ("inbox",)) or InboxTable()
    return InboxSettings(
        unsigned=table.unsigned or ("refuse" if any(it.secret for it in producers.values()) else "accept"),
        tolerance=table.tolerance,
        max_bytes=table.max_bytes,
    )


def read_producers(document: Document) -> dict[str, Producer]:
    """The `[producers]` tables that are right; what is wrong with the others is noted in the document."""
    tables = document.values.get("producers", {})
    if not isinstance(tables, dict):
        document.wrong(("producers",), "must be tables", "Write a table [producers.NAME].")
        return {}
    found = document.values.get("providers", {})
    providers: dict[str, Any] = found if isinstance(found, dict) else {}
    producers: dict[str, Producer] = {}
    for name, table in tables.items():
        at: Key = ("producers", name)
        if not NAME.fullmatch(name):
            document.wrong(at, *NO_NAME)
        elif name in providers:
            document.wrong(at, "is a provider as well", f'Give it another name, and write for = ["{name}"].')
        elif (producer := document.read(Producer, table, at)) is not None:
            if producer.secret and (*at, "secret") not in document.from_environment:
                document.refuse_literal((*at, "secret"))
            for one in producer.pushes_for:
                if one not in providers:
                    known = ", ".join(sorted(providers)) or "none"
                    document.wrong((*at, "for"), f"{one} is not one of the providers", f"Known here: {known}.")
            for key, reason, remedy in _hook_conflicts(producer):
                document.wrong((*at, key), reason, remedy)
            producers[name] = producer
    return producers


def standard_key(secret: str) -> bytes:
    """The key of a secret of Standard Webhooks: Base64, after `whsec_`; raises ValueError."""
    key = b64decode(secret.removeprefix("whsec_"), validate=True)
    if not key:
        raise ValueError("the key is empty")
    return key


def _hook_conflicts(producer: Producer) -> Iterator[tuple[str, str, str]]:
    """What does not go together with the kind of a producer: the key, the reason, the remedy."""
    if producer.kind is None:
        return
    if producer.kind in _HINTING and len(producer.pushes_for) != 1:
        yield "for", "must name the one provider whose orders its webhooks speak of", 'Write for = ["NAME"].'
    if producer.secret is None:
        remedy = 'Write secret = "env:NAME": without it anybody could send.'
        yield "secret", f"is missing, and webhooks of the kind {producer.kind} are checked by it", remedy
        return
    secret = producer.secret.get_secret_value()
    if secret.startswith("env:"):
        return  # already said: its environment variable is missing
    if producer.kind in _UNSIGNED and len(secret) < _SHORTEST:
        yield "secret", f"is shorter than {_SHORTEST} characters, and it is the only proof", "Make it long and random."
    if producer.kind == "standard":
        try:
            standard_key(secret)
        except ValueError:
            yield "secret", "is not a secret of Standard Webhooks", "Write whsec_ and the key in Base64."
