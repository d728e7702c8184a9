"""A pytest plugin: with CI=true, a skipped test fails with the reason of the skip."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

    from pluggy import Result


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, Result[pytest.TestReport], None]:
    """Turn a skip into a failure in CI, where every program that a test needs is installed."""
    report = (yield).get_result()
    if (
        os.environ.get("CI") == "true"
        and report.skipped
        and call.excinfo is not None
        and not hasattr(report, "wasxfail")
    ):
        report.outcome = "failed"
        report.longrepr = f"a skipped test fails in CI: {call.excinfo.value}"
