"""A dead letter of the inbox: a job that could not be accepted, as it is stored."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from dataclasses import dataclass

import simplejson


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: a job that could not be accepted, and the reason; `raw` is all of it if its length is `size`."""

    code: str
    reason: str
    raw: bytes
    size: int
    provider: str = ""
    at: int = 0
    #: Of the whole job, where `raw` is only a part of it.
    sha256: str = ""

    @property
    def id(self) -> str:
        """The id of the dead letter: the same for the same job, however often it is pushed."""
        return (self.sha256 or hashlib.sha256(self.raw).hexdigest())[:16]

    @property
    def whole(self) -> bool:
        """Whether all of the job is stored, so that it can be pushed again."""
        return len(self.raw) == self.size

    def text(self, now: int) -> str:
        """Return the dead letter as it is stored."""
        return simplejson.dumps(
            {
                "at": now,
                "code": self.code,
                "reason": self.reason,
                "provider": self.provider,
                "size": self.size,
                "sha256": self.sha256,
                "raw": b64encode(self.raw).decode(),
            }
        )

    @classmethod
    def read(cls, text: str | bytes) -> Letter:
        """Return the dead letter that `text` stored."""
        fields = simplejson.loads(text)
        return cls(**fields | {"raw": b64decode(fields["raw"])})
