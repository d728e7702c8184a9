"""Notifications to the watchdog of systemd (sd_notify(3), WatchdogSec=)."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def watch(well: Callable[[], bool], environ: Mapping[str, str] = os.environ) -> None:
    """Notify systemd from now on, while `well()` is true. Do nothing where no watchdog is configured.

    A background thread sends the notifications. A running thread alone proves nothing, so it asks `well` each time.
    """
    path, period = environ.get("NOTIFY_SOCKET"), int(environ.get("WATCHDOG_USEC") or 0) / 1e6
    if not path or not period or environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return
    address = "\0" + path[1:] if path.startswith("@") else path

    def notify() -> None:
        stop = threading.Event()
        while not stop.wait(period / 3):
            if well():
                with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                    sender.sendto(b"WATCHDOG=1", address)

    threading.Thread(target=notify, name="watchdog", daemon=True).start()
