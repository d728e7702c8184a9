"""The ports at which processes of Intake listen on this machine, as Linux shows them."""

from __future__ import annotations

import ipaddress
import re
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROC: Final = Path("/proc")
#: The state of a socket that listens, in /proc/net/tcp.
_LISTEN: Final = "0A"
#: A process of ours: `intake COMMAND`, `python -m worker.cli COMMAND`, or Celery with our application.
_OURS: Final = re.compile(r"(?:^|/| )(?:intake|worker\.cli|worker\.app)(?: |$)")


@dataclass(frozen=True, slots=True)
class Listener:
    """An address at which a process listens."""

    command: str
    host: str
    port: int

    @property
    def shown(self) -> str:
        """The address in a text."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def listening(user: int) -> list[Listener]:
    """Return the addresses at which the processes of Intake of this user listen; none where there is no /proc."""
    sockets = {inode: address for name in ("tcp", "tcp6") for inode, address in _sockets(_PROC / "net" / name)}
    found = {
        Listener(command, *sockets[inode])
        for process, command in _processes(user)
        for inode in _inodes(process)
        if inode in sockets
    }
    return sorted(found, key=lambda each: (each.port, each.host))


def _sockets(table: Path) -> Iterator[tuple[str, tuple[str, int]]]:
    try:
        lines = table.read_text("ascii").splitlines()[1:]
    except OSError:
        return
    for line in lines:
        columns = line.split()
        if columns[3] == _LISTEN:
            host, _, port = columns[1].partition(":")
            yield columns[9], (_host(bytes.fromhex(host)), int(port, 16))


def _host(address: bytes) -> str:
    """Return the address, whose words of four bytes stand in the order of this machine."""
    words = struct.unpack(f"={len(address) // 4}I", address)
    packed = struct.pack(f"!{len(words)}I", *words)
    if len(packed) == 4:  # noqa: PLR2004  # IPv4
        return socket.inet_ntoa(packed)
    parsed = ipaddress.IPv6Address(packed)
    return str(parsed.ipv4_mapped or parsed)


def _processes(user: int) -> Iterator[tuple[Path, str]]:
    for process in _PROC.glob("[0-9]*"):
        try:
            if process.stat().st_uid != user:
                continue
            words = process.joinpath("cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        if (found := _OURS.search(" ".join(words))) is not None:
            rest = " ".join(words)[found.end() :].split()
            # The options may hold paths; the name of the command is enough.
            yield process, f"intake {next((word for word in rest if re.fullmatch(r'[a-z]+', word)), '')}".strip()


def _inodes(process: Path) -> Iterator[str]:
    try:
        descriptors = list(process.joinpath("fd").iterdir())
    except OSError:
        return
    for descriptor in descriptors:
        try:
            found = re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink()))
        except OSError:
            continue
        if found:
            yield found[1]
