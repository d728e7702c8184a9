"""The reload of `intake up`: check the changed file as a whole, and keep a copy of it for the processes."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from worker.process.hang_up import HangUp
from worker.process.reloader import CHECK_WITHIN, check_command
from worker.process.reloading import Mailbox, reload_folder
from worker.settings.in_use import VARIABLE, copy_of, save

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from worker.settings.load import Settings


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found: the lines for the log of `intake up`."""

    accepted: bool
    lines: list[str] = field(default_factory=list)


class FileReload:
    """Checks `intake.toml` when SIGHUP arrives. The processes read a copy of the last file that was found to be good.

    So a process that dies while somebody edits the file starts again with the settings of all others.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._file, self._copy = settings.file, copy_of(settings.data_dir)
        self._kept = save(settings.file, settings.text, self._copy)
        self._mailbox = Mailbox(reload_folder(settings.data_dir), "up")
        self._hang_up, self._environ = HangUp(), environ
        self._asked = False
        self._check: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        self._until = 0.0

    @property
    def variables(self) -> dict[str, str]:
        """The variables of the processes: they read the copy, and leave reloading to `intake up`."""
        return {VARIABLE: str(self._copy) if self._kept else ""}

    def heed(self, stop: Callable[[], None]) -> Any:
        """Set the handler of SIGHUP, which calls `stop` if the terminal is gone; return the former handler."""

        def handle(*_: object) -> None:
            meaning = self._hang_up.meaning(asked=self._mailbox.is_waited_for())
            if meaning == "stop":
                stop()
            if meaning == "reload" and (self._check is None or self._mailbox.is_asked()):
                self._asked = True

        return signal.signal(signal.SIGHUP, handle)

    def verdict(self) -> Verdict | None:
        """Begin the check that was asked for; return its verdict when it has ended, and None otherwise."""
        if self._check is None:
            return self._begin() if self._asked else None
        if self._check.poll() is None:
            if time.monotonic() < self._until:
                return None
            self._check.kill()
            self._check.wait()
        return self._end(self._check)

    def finish(self) -> None:
        """Reply that the processes run with the new file."""
        self._mailbox.reply("done")

    @property
    def _new(self) -> Path:
        return self._copy.with_suffix(".new.toml")

    def _begin(self) -> Verdict | None:
        self._asked = False
        self._mailbox.reply("checking")
        environ = dict(self._environ)
        try:
            text = Path(self._file).read_bytes().decode("utf-8-sig")
            if self._kept and save(self._file, text, self._new):
                environ[VARIABLE] = str(self._new)
            self._output = tempfile.TemporaryFile()  # noqa: SIM115  # closed in `_end`
            self._check = subprocess.Popen(  # noqa: S603  # our own command
                check_command(self._copy),
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, UnicodeDecodeError) as error:
            return self._refuse(f"{self._file} cannot be read: {type(error).__name__}")
        self._until = time.monotonic() + CHECK_WITHIN
        return None

    def _end(self, check: subprocess.Popen[bytes]) -> Verdict | None:
        said, self._check = "", None
        if self._output is not None:
            with self._output as output:
                output.seek(0)
                said = output.read().decode(errors="replace").strip()
        if self._asked or self._mailbox.is_asked():
            return self._begin()  # the file may have changed since this check began
        if check.returncode:
            return self._refuse(said or f"the check ended with {check.returncode}")
        if self._kept:
            self._new.replace(self._copy)
        self._mailbox.reply("accepted")
        return Verdict(accepted=True, lines=["reload: the file is valid; the processes are restarted with it"])

    def _refuse(self, reason: str) -> Verdict:
        with contextlib.suppress(OSError):
            self._new.unlink()
        self._mailbox.reply("refused", reason)
        lines = ["reload refused, nothing was changed:", *reason.splitlines()]
        return Verdict(accepted=False, lines=lines)
