"""The part of urllib3's response that the client uses, for tests that replace its connections."""

from __future__ import annotations


class RawAnswer:
    """A response that has arrived whole."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self._body = status, headers, body
        self.length_remaining = len(body)

    def read(self, amount: int, *, decode_content: bool) -> bytes:
        assert decode_content
        return self._body[:amount]

    def release_conn(self) -> None:
        return

    def close(self) -> None:
        return
