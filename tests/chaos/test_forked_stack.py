"""`intake up` as a whole, whose processes are forked from it: each is shown as what it is, with files of its own."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from support.stack import ROLES, Stack
from worker.cli.run.processes import argv

if TYPE_CHECKING:
    from pathlib import Path

OURS = [role for role in ROLES if role != "valkey"]
#: A route through code of the user, which changes nothing.
OWN_CODE = "from schemas.order import Order\n\n\ndef change(order: Order) -> Order:\n    return order\n"


def files_of(process: psutil.Process) -> set[str]:
    return {file.path for file in process.open_files()}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every process is executed")
def test_every_process_is_forked_shown_as_what_it_is_and_forked_again_after_its_death(tmp_path: Path) -> None:
    with Stack(tmp_path, 1) as stack:
        up = psutil.Process(stack.start().pid)
        stack.wait(lambda: stack.created() == 1, 60, "the order is delivered")
        own_of_up = {str(tmp_path / ".intake/lock"), str(tmp_path / f".intake/reload/up-{up.pid}")}
        assert own_of_up <= files_of(up)
        for role in OURS:
            (process,) = stack.processes(role)
            assert (process.name(), process.ppid()) == (f"intake {role}", up.pid)
            assert " ".join(process.cmdline()) == " ".join(argv(role))
            assert not own_of_up & files_of(process)
            assert not any(c.laddr.port == 0 for c in process.net_connections() if c.laddr)
        (before,) = stack.processes("upkeep")
        stack.kill("upkeep")

        def started_again() -> bool:
            with contextlib.suppress(psutil.Error):
                return [process.pid != before.pid for process in stack.processes("upkeep")] == [True]
            return False

        stack.wait(started_again, 30, "upkeep is started again")
        assert stack.processes("upkeep")[0].name() == "intake upkeep"
        stack.add(1)
        stack.wait(lambda: stack.created() == 2, 60, "the next order is delivered")
        assert stack.history() == ""
        assert stack.stop() == []


def test_with_code_of_the_user_every_process_is_executed(tmp_path: Path) -> None:
    (tmp_path / "own_code.py").write_text(OWN_CODE)
    with Stack(tmp_path, 1, extra='transform = "own_code:change"\n') as stack:
        stack.start()
        stack.wait(lambda: stack.created() == 1, 60, "the order is delivered")
        assert [stack.processes(role)[0].name() == f"intake {role}" for role in OURS] == [False] * len(OURS)
        assert stack.stop() == []
