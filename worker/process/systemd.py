"""What systemd's watchdog is told (sd_notify(3), WatchdogSec=)."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def watch(well: Callable[[], bool], environ: Mapping[str, str] = os.environ) -> None:
    """From now on tell systemd that this process is well, as long as it is; where there is no watchdog, do nothing.

    Who tells is a thread, and it tells what `well` says: that a thread runs proves nothing.
    """
    path, period = environ.get("NOTIFY_SOCKET"), int(environ.get("WATCHDOG_USEC") or 0) / 1e6
    if not path or not period or environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return
    address = "\0" + path[1:] if path.startswith("@") else path

    def tell() -> None:
        stop = threading.Event()
        while not stop.wait(period / 3):
            if well():
                with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                    sender.sendto(b"WATCHDOG=1", address)

    threading.Thread(target=tell, name="watchdog", daemon=True).start()
