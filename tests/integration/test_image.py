"""The image of deploy/Dockerfile, built and run: `make image`, as root on Debian."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.image import Image
from support.programs import require_program
from support.stack import KEY, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from support.image import Container

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1500)]
#: The image's own user, one that OpenShift chooses, and one of another group.
USERS = ("10001:0", "1000660000:0", "4321:4321")


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    if os.geteuid() != 0:
        pytest.skip("mounting the root of an image needs root")
    for program in ("buildah", "debootstrap", "unshare"):
        require_program(program)
    folder = Path(tempfile.mkdtemp(prefix="intake-image-"))
    try:
        built = Image(folder)
        built.build()
        yield built
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def settings(tmp_path: Path, redis: Redis, redis_url: str) -> Iterator[tuple[Stack, Path]]:
    """Yield simulated systems, and the folder /etc/intake with all secrets in files."""
    redis.ping()
    folder = tmp_path / "etc"
    folder.mkdir()
    home = tmp_path / "home"
    home.mkdir()
    with Stack(home, 20, limit="none") as stack:
        text = stack.config.read_text().replace("env:STACK_KEY", "file:key")
        (folder / "intake.toml").write_text(f'{text}\n[redis]\nurl = "file:redis"\n')
        (folder / "key").write_text(KEY)
        (folder / "redis").write_text(redis_url)
        for path in (tmp_path, folder):
            path.chmod(0o755)
        yield stack, folder


def is_well(container: Container, role: str) -> bool:
    return container.execute("intake", "health", "--live", role).returncode == 0


def wait(container: Container, role: str) -> None:
    """Wait until the process is well, as its liveness probe sees it."""
    until = time.monotonic() + 60
    while not is_well(container, role):
        assert container.process.poll() is None, container.wait(1)[1]
        assert time.monotonic() < until, f"{role} is not well"
        time.sleep(1)


@pytest.mark.parametrize("user", USERS)
def test_processes_of_any_user_deliver_orders_from_a_root_that_cannot_be_written(
    image: Image, settings: tuple[Stack, Path], user: str
) -> None:
    stack, folder = settings
    with contextlib.ExitStack() as running:
        roles = ("worker", "upkeep", "beat")
        containers = {
            role: running.enter_context(image.container(user, folder, ["run", role], {"INTAKE_LOG_FORMAT": "json"}))
            for role in roles
        }
        for role in ("worker", "upkeep"):
            wait(containers[role], role)
            assert containers[role].command()[:2] == ["tini", "--"]
            assert containers[role].execute("touch", "/venv/x").returncode != 0
            identity = containers[role].execute("id", "-u").stdout
            assert identity.strip() == user.split(":", maxsplit=1)[0]
        stack.wait(lambda: stack.created() == 20, 60, "the orders")
        for role, container in containers.items():
            container.terminate()
            code, output = container.wait(45)
            assert "Traceback" not in output, output
            # Beat ends by the signal itself; tini reports it as a shell does.
            assert code in ({0, 143} if role == "beat" else {0}), f"{role} ended with {code}: {output}"


#: The modules of the optional parts: webhooks, console, tracing.
OPTIONAL = "starlette, uvicorn, jinja2, python_multipart, opentelemetry.sdk, opentelemetry.exporter.otlp.proto.http"


@pytest.mark.parametrize("init", [True, False])
def test_everything_runs_in_one_container_of_an_unknown_user_with_every_optional_part(
    image: Image, settings: tuple[Stack, Path], *, init: bool
) -> None:
    stack, folder = settings
    file = folder / "intake.toml"
    file.write_text(file.read_text().split("[redis]")[0])  # the embedded server, in the data directory
    with image.container(
        "1000660000:0", folder, ["up", "--yes"], {"INTAKE_LOG_FORMAT": "json"}, init=init
    ) as container:
        for role in ("worker", "upkeep", "listen"):
            wait(container, role)
        stack.wait(lambda: stack.created() == 20, 90, "the orders")
        imported = container.execute("python", "-c", f"import {OPTIONAL}, worker.web, worker.inbox.receiver.server")
        assert imported.returncode == 0, imported.stderr
        container.terminate()
        code, output = container.wait(60)
    assert code == 0, output
    assert "Traceback" not in output, output


@pytest.mark.parametrize("seconds", [0.0, 0.2, 0.6, 1.5])
def test_a_signal_right_after_the_start_ends_the_container(
    image: Image, settings: tuple[Stack, Path], seconds: float
) -> None:
    with image.container(USERS[0], settings[1], ["run", "worker"], {}) as container:
        until = time.monotonic() + 10
        while container.command()[:1] != ["tini"]:
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(seconds)
        container.terminate()
        container.wait(15)


def test_the_image_is_no_larger_than_it_was_measured(image: Image) -> None:
    sizes = image.sizes()
    print("".join(f"{size:6} MiB {name}\n" for name, size in sizes.items()))  # shown by `make image`
    assert sizes["/venv"] < 260, "deploy/docs/support.md says 207 MiB"
