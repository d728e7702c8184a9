"""The image of deploy/Dockerfile, built without an engine, and containers of it as Kubernetes runs them.

`buildah` builds the real Dockerfile. Its base, which only a registry of images has, is a minimal Debian of the same
release with Debian's own Python.
A container is a chroot in namespaces of its own: process 1, a root that cannot be written, no capabilities, any user.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from support.programs import require_program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT: Final = Path(__file__).parents[2]
_BASE: Final = "python:3.11-slim-bookworm"
#: What runs as process 1 of the container until it becomes the entrypoint.
_CONTAINER: Final = """
set -e
mount --bind "$1" "$1"
mount --rbind /dev "$1/dev"
mount --bind "$2" "$1/etc/intake"
mount -o remount,bind,ro "$1"
mount -t proc proc "$1/proc"
for folder in /tmp /var/lib/intake; do mount -t tmpfs -o mode=1777 tmpfs "$1$folder"; done
root=$1 user=$3 working=$4; shift 4
exec chroot --userspec="$user" --groups= "$root" /usr/bin/env -i "$@"
"""


def _run(*command: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=1200)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def _children(pid: int) -> list[int]:
    with contextlib.suppress(FileNotFoundError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _mebibytes(path: Path) -> int:
    return int(_run("du", "-sm", str(path)).split()[0])


@dataclass
class Image:
    """A built image: its root directory, and its configuration."""

    folder: Path
    root: Path = field(init=False)
    config: dict[str, Any] = field(init=False)

    def _buildah(self, *words: str) -> str:
        store = ("--root", str(self.folder / "store"), "--runroot", str(self.folder / "run"), "--storage-driver", "vfs")
        return _run(require_program("buildah"), *store, *words).strip()

    def build(self) -> None:
        """Build the base, then the Dockerfile on it; mount the result."""
        base = self.folder / "base"
        packages = "--include=ca-certificates,python3,python3-venv"
        _run(require_program("debootstrap"), "--variant=minbase", packages, "bookworm", str(base))
        (base / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        context = self.folder / "context"
        context.mkdir()
        empty = [f"--exclude=./{name}/*" for name in ("proc", "sys", "dev", "var/cache/apt/archives")]
        _run("tar", "-C", str(base), *empty, "-cf", str(context / "base.tar"), ".")
        (context / "Dockerfile").write_text("FROM scratch\nADD base.tar /\n")
        self._buildah("bud", "-q", "--isolation", "chroot", "-t", f"docker.io/library/{_BASE}", str(context))
        # The certificates of this machine, which may know a proxy on the way to the packages.
        certificates = ("--volume", "/etc/ssl/certs:/etc/ssl/certs:ro")
        options = ("--isolation", "chroot", "--pull-never", *certificates)
        # The base is ours, so it has another digest than the one that is pinned.
        dockerfile = self.folder / "Dockerfile"
        dockerfile.write_text(re.sub(r"@sha256:\w+", "", (ROOT / "deploy/Dockerfile").read_text()))
        self._buildah("bud", *options, "-f", str(dockerfile), "-t", "intake", ".")
        name = self._buildah("from", "--pull-never", "localhost/intake")
        self.root = Path(self._buildah("mount", name))
        self.config = json.loads(self._buildah("inspect", "--type", "image", "localhost/intake"))["OCIv1"]["config"]
        (self.root / "etc/intake").mkdir()

    def sizes(self) -> dict[str, int]:
        """Return what the Dockerfile adds to its base, in MiB: all of it, and its largest packages."""
        packages = (self.root / "venv/lib/python3.11/site-packages").iterdir()
        largest = sorted(((_mebibytes(path), path.name) for path in packages), reverse=True)[:8]
        return {"/venv": _mebibytes(self.root / "venv"), **{name: size for size, name in largest}}

    @contextlib.contextmanager
    def container(
        self, user: str, settings: Path, args: Sequence[str], environ: Mapping[str, str], *, init: bool = True
    ) -> Iterator[Container]:
        """Run a container with these arguments, as the user "uid:gid"; kill what is left of it at the end.

        Without `init`, `intake` itself is process 1, as where somebody replaces the entrypoint.
        """
        variables = [*self.config["Env"], *(f"{name}={value}" for name, value in environ.items())]
        entry = [*(self.config["Entrypoint"] if init else ["intake"]), *args]
        working = ["--chdir", self.config["WorkingDir"]]
        words = [str(self.root), str(settings), user, self.config["WorkingDir"], *working, *variables, *entry]
        namespaces = ("unshare", "--mount", "--pid", "--fork", "--ipc", "--uts")
        process = subprocess.Popen(
            [*namespaces, "sh", "-c", _CONTAINER, "sh", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield Container(process, user, variables)
        finally:
            for child in _children(process.pid):
                os.kill(child, signal.SIGKILL)  # process 1: every other of its namespace ends with it
            process.communicate()


@dataclass
class Container:
    """A running container."""

    process: subprocess.Popen[str]
    user: str
    variables: list[str]

    def first(self) -> int:
        """Return the id that process 1 of the container has on this machine."""
        until = time.monotonic() + 10
        while not (children := _children(self.process.pid)):
            assert time.monotonic() < until, "the container has no process"
            time.sleep(0.01)
        return children[0]

    def command(self) -> list[str]:
        """Return the command line of process 1."""
        return Path(f"/proc/{self.first()}/cmdline").read_text().split("\0")[:-1]

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as a probe of Kubernetes does."""
        enter = ["nsenter", "--target", str(self.first()), "--mount", "--pid", "--root", "--wd"]
        uid, gid = self.user.split(":")
        become = ["--setuid", uid, "--setgid", gid, "/usr/bin/env", "-i", *self.variables]
        return subprocess.run([*enter, *become, *command], capture_output=True, text=True, check=False, timeout=60)

    def terminate(self) -> None:
        """Send SIGTERM to process 1, as an engine does."""
        os.kill(self.first(), signal.SIGTERM)

    def wait(self, seconds: float) -> tuple[int, str]:
        """Return the exit code and the output; raise TimeoutExpired if it still runs after `seconds`."""
        output, _ = self.process.communicate(timeout=seconds)
        return self.process.returncode, output
