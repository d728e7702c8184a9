"""Several hosts on one machine: network namespaces, each with one link to Redis and one to the target."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Literal, Self

from support.programs import missing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

#: The two networks that each host is linked to.
Link = Literal["redis", "target"]
LINKS: tuple[Link, Link] = ("redis", "target")
#: Runs the named processes of the Procfile and restarts each that ends, as systemd does.
KEEPER = """\
import os, sys
from worker.cli.run.processes import argv
from worker.cli.run.supervisor import Program, Supervisor
Supervisor([Program(name, argv(name)) for name in sys.argv[1:]], os.environ, grace=1.0).run()
"""


def impossible() -> str:
    """Return why network namespaces are impossible on this machine, or an empty string."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if lacking := missing("ip", "unshare", "hostname", "openssl"):
        return lacking
    name = f"intake-{os.getpid()}"
    for command in (f"netns add {name}", f"-n {name} link add type bridge", f"netns del {name}"):
        done = subprocess.run(["ip", *command.split()], check=False, capture_output=True, text=True)
        if done.returncode:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
            return f"no network namespaces here: {done.stderr.strip()}"
    return ""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Host:
    """A host with its own network and name; its processes end with it."""

    def __init__(self, net: Net, number: int) -> None:
        self.name = f"host-{number}"
        self._space = f"{net.prefix}h{number}"
        self._bridges = net.bridges
        #: The switch's ends of the host's two cables.
        self._cables = {link: f"{net.prefix}{link[0]}{number}" for link in LINKS}
        self._running: list[subprocess.Popen[bytes]] = []
        ip("netns", "add", self._space)
        ip("-n", self._space, "link", "set", "lo", "up")
        for link, cable in self._cables.items():
            ip("link", "add", cable, "type", "veth", "peer", "name", link, "netns", self._space)
            ip("link", "set", cable, "master", net.bridges[link], "up")
            ip("-n", self._space, "addr", "add", f"{net.address(link, 10 + number)}/24", "dev", link)
            ip("-n", self._space, "link", "set", link, "up")

    def run(self, names: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        """Run processes of the Procfile on this host, under its host name."""
        inside = f'hostname {self.name}; exec ip netns exec {self._space} "$@"'
        command = ["unshare", "--uts", "sh", "-c", inside, "sh", sys.executable, "-c", KEEPER, *names]
        with log.open("ab") as out:
            self._running.append(
                subprocess.Popen(command, env=dict(env), stdout=out, stderr=out, cwd=log.parent, start_new_session=True)
            )

    def python(self, program: str, *words: str) -> subprocess.Popen[str]:
        """Start a Python program on this host with pipes to its stdin and stdout."""
        command = ["ip", "netns", "exec", self._space, sys.executable, "-c", program, *words]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def cut(self, *links: Link) -> float:
        """Unplug the cables at the switch and return the Unix time: packets are lost and neither end notices.

        If a link were set down instead, Linux would notice and send again as soon as it is up.
        """
        for link in links:
            ip("link", "set", self._cables[link], "nomaster", "arp", "off")
        return time.time()

    def reconnect(self) -> None:
        for link, cable in self._cables.items():
            ip("link", "set", cable, "master", self._bridges[link], "arp", "on")

    def signal(self, number: signal.Signals) -> None:
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    def end(self) -> None:
        for process in self._running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=30)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        ip("netns", "del", self._space)


class Net:
    """The switches of both networks, on the machine where Redis and the target are."""

    def __init__(self) -> None:
        number = os.getpid()
        self.prefix = f"i{number:x}"
        self._second = f"10.{200 + number % 50}"
        self._third = number // 50 % 120 * 2
        self.bridges = {link: f"{self.prefix}{link[0]}" for link in LINKS}
        self.hosts: list[Host] = []

    def address(self, link: Link, number: int = 1) -> str:
        """Return the address of host `number` on a network; 1 is the machine of Redis and the target."""
        return f"{self._second}.{self._third + LINKS.index(link)}.{number}"

    def host(self) -> Host:
        self.hosts.append(Host(self, len(self.hosts) + 1))
        return self.hosts[-1]

    def __enter__(self) -> Self:
        for link, bridge in self.bridges.items():
            # The bridge gets its own MAC address: by default it takes one of a cable's, which would still receive
            # its packets after a cut.
            ip("link", "add", bridge, "address", f"02:00:00:00:0{LINKS.index(link)}:01", "type", "bridge")
            ip("addr", "add", f"{self.address(link)}/24", "dev", bridge)
            ip("link", "set", bridge, "up")
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.hosts:
            host.reconnect()
            host.signal(signal.SIGTERM)
        time.sleep(0.3)
        for host in self.hosts:
            # The second SIGTERM ends the processes at once.
            host.signal(signal.SIGTERM)
        for host in self.hosts:
            host.end()
        for bridge in self.bridges.values():
            ip("link", "del", bridge)


def certificate(home: Path, address: str) -> Path:
    """Write a key and a self-signed certificate for an address into one file."""
    file = home / "both.pem"
    words = f"req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=test -addext subjectAltName=IP:{address}"
    pem = subprocess.run(
        ["openssl", *words.split(), "-keyout", "-", "-out", "-"], check=True, capture_output=True
    ).stdout
    file.write_bytes(pem)
    return file
