"""The settings of this process as the ledger knows them, kept in step with its registry."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Final

from worker.errors import ConfigError
from worker.settings.document import ConfigErrors
from worker.settings.registered import Comparison, compare
from worker.store.redis.connection import ERRORS
from worker.store.redis.diagnosis import state_of
from worker.store.redis.states import LASTING
from worker.store.registry.registry import Registry

if TYPE_CHECKING:
    from redis import Redis

    from worker.settings.load import Settings

#: Seconds after which a process looks again whether the registry is still the one it knows: Redis may have been lost,
#: or another installation may have taken it.
_EVERY: Final = 5.0
#: How often the registry is written again because another process wrote it meanwhile.
_ATTEMPTS: Final = 20


class Installation:
    """The accounts and routes of one settings file in one ledger."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self.registry = Registry(redis)
        #: The settings as the file has them.
        self.declared = settings
        self._version = ""
        self._checked = 0.0

    @cached_property
    def settings(self) -> Settings:
        """The settings by the names of the ledger. They stay as they are: a process is started again for new ones."""
        return self.compare().settings

    def compare(self) -> Comparison:
        """Compare the settings with the registry as it is now; write nothing."""
        return compare(self.declared, self.registry.read())

    def refuse(self) -> None:
        """Raise ConfigErrors as `confirm` does, and write nothing."""
        if problems := self.compare().problems:
            raise ConfigErrors(problems)

    def confirm(self) -> None:
        """Check that this ledger is that of these accounts, and write down those that are new.

        Every process calls it before it reads, accepts or sends anything, as often as it likes. Raise ConfigErrors,
        with the remedies, if an account was renamed or replaced, or if the ledger is that of other accounts. Raise
        ConfigError if this Redis can never be a ledger (a cluster).
        """
        now = time.monotonic()
        if self._version and now - self._checked < _EVERY:
            return
        try:
            if not self._version or self.registry.version() != self._version:
                self._register()
        except ERRORS as error:
            state = state_of(error)
            if state.name in LASTING:
                raise ConfigError(self.declared.file, "redis.url", state.sentence, state.remedy) from None
            raise
        self._checked = now

    def _register(self) -> None:
        for _ in range(_ATTEMPTS):
            comparison = self.compare()
            if comparison.problems:
                raise ConfigErrors(comparison.problems)
            known = comparison.known
            if not (comparison.accounts or comparison.templates):
                self._version = known.version
                return
            self.registry.write(known, comparison.accounts, comparison.templates)
        raise ConfigError(
            self.declared.file, "redis.url", "other processes keep changing the registry", "Try it again."
        )
