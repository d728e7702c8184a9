"""The settings of the inbox: who may push, and how."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr

from worker.clocks import Duration  # noqa: TC001  # pydantic reads it at run time
from worker.settings_file import NAME, NO_NAME, Document, Key, Table


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Producer(Table):
    """One `[producers.NAME]` table: somebody who pushes jobs.

    Orders that no API can be asked for come `from` the producer itself; `for` names the providers for which it may push
    besides. With a `secret` its jobs are signed (see `schemas/job.py`).
    """

    secret: SecretStr | None = None
    pushes_for: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(alias="for")] = ()


class InboxTable(Table):
    """The `[inbox]` table.

    `unsigned` jobs are refused as soon as one producer has a secret, unless it says otherwise. `tolerance` (seconds) is
    how old a signature may be. `max_bytes` is the size of the largest job.
    """

    unsigned: Literal["accept", "refuse"] | None = None
    tolerance: Duration = 86_400.0
    max_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 1024 * 1024


class InboxSettings(Table):
    """The same, decided."""

    unsigned: Literal["accept", "refuse"] = "accept"
    tolerance: float = 86_400.0
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
            producers[name] = producer
    return producers
