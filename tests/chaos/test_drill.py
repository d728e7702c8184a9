"""`intake drill` as a user runs it: a recovery from a total loss of Redis, and one that fails."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from support.drawn import draw_seed
from support.processes import last_words

if TYPE_CHECKING:
    from pathlib import Path


def drill(home: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from worker.cli import main; main()", "drill", "--keep", str(home), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for_output(process: subprocess.Popen[str], seconds: float) -> str:
    try:
        return process.communicate(timeout=seconds)[0]
    finally:
        process.kill()
        process.wait()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("how", ["disk", pytest.param("flush", marks=pytest.mark.soak)])
def test_after_a_total_loss_of_redis_the_targets_have_all_orders_of_the_sources(tmp_path: Path, how: str) -> None:
    seed = str(draw_seed())
    process = drill(tmp_path, "--how", how, "--moments", "1", "--orders", "20", "--seed", seed)
    output = wait_for_output(process, 170)
    print(output)
    assert output.count("Redis is lost: ") == 1
    assert f"--seed {seed}" in output
    assert re.search(r"all orders were there again, \d+\.\d s after the last loss", output)
    assert re.search(
        r"since then, the targets were searched [1-9]\d* times, and [1-9]\d* orders\s+existed\s+already", output
    )
    assert "72 orders, 72 created, 0 lost, 0 duplicated" in output
    assert process.returncode == 0


@pytest.mark.timeout(90)
def test_a_drill_that_lost_orders_reports_it_and_exits_with_1(tmp_path: Path) -> None:
    process = drill(tmp_path, "--moments", "1", "--orders", "20")
    while not (up := [p for p in psutil.Process(process.pid).children() if last_words(p) == ["up", "--yes"]]):
        time.sleep(0.05)
    up[0].kill()
    output = wait_for_output(process, 60)
    assert "Intake delivered nothing" in output
    assert "36 orders, 0 created, 36 lost, 0 duplicated" in output
    assert process.returncode == 1
