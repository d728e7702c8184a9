"""Take over a changed `intake.toml` on SIGHUP: the process finishes its current calls, and is replaced by a new one.

The new file is checked by a process of its own, with the environment of this one. If it is refused, nothing changes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from typing import TYPE_CHECKING, Final

from worker.process.environment import environment
from worker.process.hang_up import HangUp
from worker.process.intake_orders import command
from worker.process.lazy_log import log
from worker.process.reloading import Mailbox, reload_folder
from worker.process.replacement import want_replacement

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Seconds that the check of a file may take.
CHECK_WITHIN: Final = 60.0


def check_command(in_use: Path) -> list[str]:
    """Return the command line that checks the file against the copy in use; what it prints is for people."""
    return command("worker.cli", "reload", "--dry-run", "--in-use", str(in_use))


def stop_process() -> None:
    """End this process in order, as a supervisor would."""
    os.kill(os.getpid(), signal.SIGTERM)


class Reloader:
    """Heeds SIGHUP: checks the file, and then calls `stop`, so that the process ends in order and is replaced."""

    def __init__(self, data_dir: Path, in_use: Path, role: str, stop: Callable[[], object]) -> None:
        self._mailbox = Mailbox(reload_folder(data_dir), role)
        self._hang_up, self._in_use, self._stop = HangUp(), in_use, stop
        self._checking: threading.Thread | None = None

    def heed(self) -> None:
        """Set the handler of SIGHUP."""
        signal.signal(signal.SIGHUP, lambda *_: self._handle())

    def _handle(self) -> None:
        meaning = self._hang_up.meaning(asked=self._mailbox.is_waited_for())
        if meaning == "stop":
            self._stop()
        elif meaning == "reload" and not (self._checking and self._checking.is_alive()):
            self._checking = threading.Thread(target=self._check, name="reload", daemon=True)
            self._checking.start()

    def _check(self) -> None:
        refusal = self._verdict()
        while self._mailbox.is_asked():  # the file may have changed since that check began
            refusal = self._verdict()
        if refusal is not None:
            log.error("reload.refused", reason=refusal)
            self._mailbox.reply("refused", refusal)
            return
        log.info("reload.accepted")
        self._mailbox.reply("accepted")
        want_replacement()
        self._stop()

    def _verdict(self) -> str | None:
        self._mailbox.reply("checking")
        return _run_check(check_command(self._in_use))


def _run_check(words: list[str]) -> str | None:
    """Return why the file is refused; None if it is accepted."""
    try:
        done = subprocess.run(  # noqa: S603  # our own command
            words,
            env=dict(environment()),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CHECK_WITHIN,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"the check failed: {type(error).__name__}"
    return (done.stdout + done.stderr).strip() if done.returncode else None
