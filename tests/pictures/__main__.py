"""Run the demonstration in a terminal, with `intake status` on the way, and write both screens as SVG."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

FOLDER: Final = Path(__file__).parents[2] / "deploy" / "docs" / "pictures"
COLUMNS, ROWS = 100, 40
#: What the demonstration shows when it is in full swing.
_SWING: Final = re.compile(rb"created in carrier [^\r\n]*m(1[5-9]\d|[23]\d\d)/")


def screen(raw: bytes) -> str:
    """Return what a terminal shows at the end: a line that is cleared and written again counts once."""
    lines = [""]
    row = 0
    for part in re.split(r"(\x1b\[\d*[AK]|\r|\n)", raw.decode(errors="replace")):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part.endswith("A") and part.startswith("\x1b["):
            row = max(0, row - int(part[2:-1] or 1))
        elif part != "\r":
            lines[row] += re.sub(r"\x1b\[\?25[lh]", "", part)
    return "\n".join(lines).rstrip("\n")


def terminal(words: list[str], environ: dict[str, str]) -> tuple[subprocess.Popen[bytes], int]:
    """Start a command in a terminal of its own; return the process and the terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=environ, start_new_session=True)
    os.close(theirs)
    return process, ours


def read(ours: int, until: re.Pattern[bytes] | None = None) -> bytes:
    """Return what a command prints until it ends, or until it has printed this."""
    said = b""
    while until is None or not until.search(said):
        try:
            said += os.read(ours, 65_536)
        except OSError:  # the terminal has no writer any more
            break
    return said


def picture(name: str, command: str, text: str) -> None:
    """Write the picture of a terminal that shows a command and its output."""
    console = Console(
        record=True,
        width=COLUMNS,
        file=io.StringIO(),
        color_system="truecolor",
        force_terminal=True,
    )
    console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
    console.print(Text.from_ansi(text), no_wrap=True, overflow="crop")
    svg = console.export_svg(title=command, theme=MONOKAI, unique_id=f"intake-{name}")
    # Without fonts from elsewhere: a README shows pictures that load nothing.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = "\n".join(line.rstrip() for line in svg.splitlines())
    (FOLDER / f"{name}.svg").write_text(f"{svg}\n", encoding="utf-8")


def main() -> int:
    """Write both pictures."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="intake-pictures-") as home:
        environ = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "DEMO_KEY": "demo-key"}
        intake = [sys.executable, "-m", "worker.cli"]
        demo, ours = terminal([*intake, "demo", "--keep", f"{home}/demo"], environ)
        said = read(ours, _SWING)
        status, screen_of_status = terminal([*intake, "--config", f"{home}/demo/intake.toml", "status"], environ)
        shown = read(screen_of_status)
        said += read(ours)
        failed = demo.wait() or status.wait()
    if failed:
        print(said.decode(), shown.decode())
        return 1
    picture("demo", "make demo", screen(said))
    picture("status", "intake status", screen(shown))
    return 0


if __name__ == "__main__":
    sys.exit(main())
