"""Senders without a token, as a process of its own: `hostile_senders.py HOST PORT COUNT SENT`.

COUNT connections stay open, or are opened again a second after they were closed. Each sends one of the texts of SENT, a
list of bytes. The process prints the number of connections so far, once a second. It costs little, so that a
measurement shows the cost of the receiver.
"""

from __future__ import annotations

import ast
import contextlib
import heapq
import os
import selectors
import socket
import sys
import time


class Senders:
    """Hostile connections to one address."""

    def __init__(self, address: tuple[str, int], sent: list[bytes]) -> None:
        self._address, self._sent, self.opened = address, sent, 0
        self._selector = selectors.DefaultSelector()
        self._due: list[tuple[float, int]] = []

    def begin(self, count: int) -> None:
        """Let each connection open in the first second."""
        for number in range(count):
            heapq.heappush(self._due, (time.monotonic() + number / count, number))

    def turn(self) -> None:
        """Open the connections that are due, and close those that the receiver has closed."""
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            self._open(heapq.heappop(self._due)[1])
        for key, _ in self._selector.select(0.05):
            wire: socket.socket = key.data[0]
            with contextlib.suppress(BlockingIOError, OSError):
                if wire.recv(4096):
                    continue
            self._selector.unregister(wire)
            wire.close()
            heapq.heappush(self._due, (time.monotonic() + 1, key.data[1]))

    def _open(self, number: int) -> None:
        try:
            wire = socket.create_connection(self._address, timeout=1)
            wire.sendall(self._sent[number % len(self._sent)])
        except OSError:
            heapq.heappush(self._due, (time.monotonic() + 1, number))
            return
        wire.setblocking(False)
        self._selector.register(wire, selectors.EVENT_READ, (wire, number))
        self.opened += 1


def main(host: str, port: str, count: str, sent: str) -> None:
    """Attack until this process is ended."""
    # Real attackers have machines of their own.
    os.nice(10)
    senders, printed = Senders((host, int(port)), ast.literal_eval(sent)), 0.0
    senders.begin(int(count))
    while True:
        senders.turn()
        if time.monotonic() - printed >= 1:
            printed = time.monotonic()
            print(senders.opened, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
