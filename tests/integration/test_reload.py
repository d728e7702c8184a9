"""A changed `intake.toml` is taken over as a whole by what runs, or not at all; what runs is shown meanwhile."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from support.command_line import intake
from support.settings_texts import SHOP_TO_DROPDAY, retailcrm, route
from worker.process.liveness_file import liveness_folder
from worker.process.reloading import read_running, reload_folder
from worker.runtime import read_settings
from worker.settings.fingerprint import fingerprint
from worker.settings.in_use import VARIABLE, copy_of, save

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.settings_texts import Configured

#: `intake up` with one program, which prints what it reads, and which is executed or forked.
DRIVER = """
import os, sys
from worker.cli.run.file_reload import FileReload
from worker.cli.run.supervisor import Program, Supervisor
from worker.process.replacement import replace_at_exit
from worker.runtime import process_settings
replace_at_exit(lambda *_: None)  # as a process that began in `intake_orders`
sys.path.append(os.path.dirname(sys.argv[1]))
reload = FileReload(process_settings(), os.environ)
programs = [Program("one", [sys.executable, "-P", sys.argv[1], "program"], forks=sys.argv[2] == "forked")]
Supervisor(programs, os.environ | reload.variables, 5, reload).run()
"""
PROGRAM = """
import os, sys, time
from worker.runtime import process_settings
print("pid", os.getpid(), *process_settings().providers, flush=True)
time.sleep(300)
"""
#: A process of this host, without any work.
ALIVE = """
import sys, time
from pathlib import Path
from worker.process.liveness_file import LivenessFile
file = LivenessFile(Path(sys.argv[1]), "worker")
file.tick()
print("alive", flush=True)
time.sleep(60)
"""
TWO = SHOP_TO_DROPDAY + retailcrm("providers.second", "http://127.0.0.1:10") + route("second", "dropday")
TWO = TWO.replace("also_create", 'reference = "{provider}:{external_id}"\nalso_create')


class Up:
    """A supervisor in its own process."""

    def __init__(self, configured: Configured, way: str) -> None:
        configured.open().installation.confirm()
        self.output, program = (configured.file.with_name(name) for name in ("output", "program.py"))
        program.write_text(PROGRAM)
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", DRIVER, str(program), way], stdout=out, stderr=out, start_new_session=True
            )
        self.until(r"one \| pid \d+ shop\n")

    def text(self) -> str:
        return self.output.read_text()

    def until(self, pattern: str) -> None:
        end = time.monotonic() + 30
        while not re.search(pattern, self.text()):
            assert time.monotonic() < end, self.text()
            time.sleep(0.02)

    def children(self) -> list[str]:
        return re.findall(r"one \| (pid .*)", self.text())


@pytest.fixture(params=["executed", "forked"])
def up(configured: Configured, request: pytest.FixtureRequest) -> Iterator[Up]:
    started = Up(configured, request.param)
    yield started
    started.process.terminate()
    try:
        assert started.process.wait(20) == 0
    finally:
        started.process.kill()


def test_a_file_is_taken_over_as_a_whole_or_not_at_all(up: Up, configured: Configured) -> None:
    before, copy = up.children(), copy_of(configured.file.parent / ".intake")
    good = configured.file.read_text()
    assert copy.read_text() == good
    # Valid TOML, and the processes, in their environment, lack a secret: this command does not know that.
    configured.write(TWO.replace("env:TEST_KEY", "env:NOBODY_SET_THIS"))
    refused = intake("reload")
    assert refused.exit_code == 1
    assert "refused the file, and continues as before" in refused.output
    assert "providers.second.api_key: the environment variable NOBODY_SET_THIS is not set" in refused.output
    assert (up.children(), copy.read_text()) == (before, good)
    configured.write(TWO)
    taken = intake("reload")
    assert (taken.exit_code, taken.output) == (0, f"ok: up (process {up.process.pid}) runs with the new settings\n")
    up.until(r"pid \d+ shop second\n")
    assert len(up.children()) == 2
    assert copy.read_text() == configured.file.read_text()
    # A process that dies while somebody edits the file starts with the settings that are in use.
    configured.file.write_text("[providers.")
    os.kill(int(up.children()[-1].split()[1]), signal.SIGKILL)
    up.until(r"ended with -9[^$]*pid \d+ shop second\n")
    assert intake("reload").exit_code == 2
    assert intake("status").exit_code == 0


def test_without_a_running_process_there_is_nothing_to_reload(configured: Configured) -> None:
    configured.open()
    done = intake("reload")
    assert done.exit_code == 1
    assert "no process of Intake runs here" in done.output


def test_what_must_not_change_while_intake_runs_is_refused(
    configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured.open().installation.confirm()
    settings, copy = read_settings(), configured.file.parent / "copy.toml"
    monkeypatch.setenv("BROKER", "amqp://me:old@rabbit.internal/v")
    monkeypatch.setenv("REDIS", str(settings.redis_url).replace("redis://", "redis://:old@"))
    old = settings.text.replace(f'"{settings.redis_url}"', '"env:REDIS"')
    copy.write_text(f'{old}\n[celery]\nbroker = "env:BROKER"\n')
    check = ("reload", "--dry-run", "--in-use", str(copy))
    configured.file.write_text(settings.text.replace("[redis]\n", '[redis]\ndata_dir = "elsewhere"\n'))
    refused = intake(*check)
    assert refused.exit_code == 2
    for key in ("redis.data_dir", "celery.broker"):
        assert f"{key}: must not change while Intake runs" in refused.output
    assert "redis.url" not in refused.output
    # A user and a password may.
    configured.file.write_text(f'{settings.text}\n[celery]\nbroker = "amqp://rabbit.internal/v"\n')
    accepted = intake(*check)
    assert (accepted.exit_code, accepted.output) == (0, "ok: the file is valid\n")
    configured.file.write_text(re.sub(r":\d+/0", ":1/0", configured.file.read_text(), count=1))
    assert "redis.url: must not change" in intake(*check).output


def test_an_account_that_was_renamed_is_refused_before_anything_changes(configured: Configured) -> None:
    configured.open().installation.confirm()
    configured.write(SHOP_TO_DROPDAY.replace("shop", "store"))
    refused = intake("reload", "--dry-run")
    assert refused.exit_code == 2
    assert "intake rename shop store" in refused.output


@pytest.fixture
def alive(configured: Configured) -> Iterator[Callable[[], None]]:
    """Start a process of this host, which runs with the settings as they are now."""
    processes: list[subprocess.Popen[str]] = []

    def start() -> None:
        settings = configured.open().settings
        save(settings.file, settings.text, copy_of(settings.data_dir))
        words = [sys.executable, "-c", ALIVE, str(liveness_folder(settings.data_dir))]
        processes.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
        assert processes[-1].stdout is not None
        assert processes[-1].stdout.readline() == "alive\n"

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_status_shows_what_runs_while_the_file_is_edited(configured: Configured, alive: Callable[[], None]) -> None:
    rt = configured.open()
    rt.signs.give("worker worker@here", rt.settings.fingerprint)
    rt.signs.give("worker worker@there", "000000000000")
    alive()
    # The last signs of what a reload has just replaced are not those of running processes.
    assert "another version" not in intake("status").output
    reloaded = time.time() - 60
    os.utime(copy_of(rt.settings.data_dir), (reloaded, reloaded))
    assert "run with another version: worker@there" in intake("status").output
    configured.file.write_text(configured.file.read_text() + "[providers.second\n")
    broken = intake("status").output
    assert "! intake.toml: it cannot be used, and the processes keep their current settings: " in broken
    assert "at line" in broken
    assert "another version" not in broken
    assert re.search(r"^shop +retailcrm", broken, re.MULTILINE)
    paused = intake("pause", "dropday")
    assert paused.exit_code == 0
    assert f"warning: {configured.file}: (the file): is not TOML" in paused.output
    configured.write(TWO)
    newer = intake("status").output
    assert "these processes still run with another version: worker@here, worker@there  →  intake reload" in newer
    assert not re.search(r"^second", newer, re.MULTILINE)
    # An order that was held for a setting would be held again.
    assert "an older version of" in intake("release", "dropday").output
    configured.write(SHOP_TO_DROPDAY + "# only a comment\n")
    assert "run with another version: worker@there" in intake("status").output
    assert intake("release", "dropday").output == "Nothing is held in dropday.\n"


def test_without_a_process_status_shows_the_file(configured: Configured) -> None:
    settings = configured.open().settings
    save(settings.file, settings.text, copy_of(settings.data_dir))
    configured.write(TWO)
    assert re.search(r"^second", intake("status").output, re.MULTILINE)


def test_a_fingerprint_tells_what_the_processes_do_and_not_where_redis_is() -> None:
    base = {"providers": {"a": {"limit": "1/s"}}, "redis": {"url": "redis://a"}, "routes": [{"from": "a"}]}
    assert fingerprint(base) == fingerprint({**base, "redis": {"url": "redis://b"}, "celery": {}})
    assert fingerprint(base) != fingerprint({**base, "providers": {"a": {"limit": "2/s"}}})


def test_the_copy_keeps_the_permissions_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "intake.toml"
    file.write_text("")
    file.chmod(0o640)
    assert save(str(file), "text", copy_of(tmp_path / "data"))
    assert copy_of(tmp_path / "data").stat().st_mode & 0o777 == 0o640
    assert not save(str(file), "text", file / "no-folder" / "copy")


def test_a_process_of_its_own_finishes_its_work_and_is_replaced(
    configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGHUP to a process that no `intake up` started."""
    monkeypatch.delenv(VARIABLE, raising=False)
    rt = configured.open()
    rt.installation.confirm()
    out = configured.file.parent / "output"
    with out.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "worker.cli", "run", "listen"], stdout=output, stderr=output
        )
    try:
        wait_for_file(rt, rt.settings.fingerprint, out)
        (running,) = read_running(reload_folder(rt.settings.data_dir))
        assert (running.role, running.pid) == ("listen", process.pid)
        configured.write(TWO)
        assert intake("reload").exit_code == 0
        wait_for_file(rt, read_settings().fingerprint, out)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def wait_for_file(rt: object, wanted: str, out: Path) -> None:
    end = time.monotonic() + 30
    while wanted not in rt.redis.hvals("intake:files"):  # type: ignore[attr-defined]
        assert time.monotonic() < end, out.read_text()
        time.sleep(0.05)
