"""Which secrets, and which user of Redis, each process is to have: from what it needs of the settings."""

from __future__ import annotations

from typing import Final

from worker.settings.needs import NEEDS_OF, Needs

#: The secrets of each section of the settings, by the name that they have in deploy/.
GROUP_OF: Final = {
    "providers": "accounts",
    "targets": "accounts",
    "producers": "producers",
    "alarms": "alarms",
    "mail": "alarms",
}
#: What has rights of its own in users.acl.example; all others work on the ledger.
USER_OF: Final = {name: name for name in ("web", "receive", "metrics", "flower")}

#: A user of Redis, and the groups of secrets.
Rights = tuple[str, frozenset[str]]


def expected() -> dict[str, Rights]:
    """Return the user and the groups of each process."""
    return {name: (USER_OF.get(name, "worker"), _groups(name, needs)) for name, needs in NEEDS_OF.items()}


def _groups(name: str, needs: Needs) -> frozenset[str]:
    own = {group for section, group in GROUP_OF.items() if not needs.may_lack(section) and section not in needs.unkeyed}
    return frozenset(own | ({"flower"} if name == "flower" else set()))
