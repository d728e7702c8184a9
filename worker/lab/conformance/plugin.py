"""The pytest plugin: a test that asks for `intake_contract` runs once for every check of every registered adapter.

In the settings of pytest::

    intake_recordings = "tests/recordings"      # its folders: providers/KIND, targets/KIND, webhooks/KIND

and in a test::

    def test_our_adapters_hold_to_their_contracts(intake_contract):
        intake_contract()
"""

from __future__ import annotations

import pytest

# pytest must rewrite the assertions of the suites, so they are imported only after this.
_SUITES = ("failures", "providers", "targets", "bulk", "updates", "comparison", "webhooks")
pytest.register_assert_rewrite(*(f"worker.lab.conformance.{name}" for name in _SUITES))

_FOLDER = "intake_recordings"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting `intake_recordings`."""
    parser.addini(_FOLDER, "the folder with the recordings of adapters for Intake", type="paths", default=[])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `intake_contract` once per check."""
    if "intake_contract" not in metafunc.fixturenames:
        return
    folders = metafunc.config.getini(_FOLDER)
    if not folders:
        raise pytest.UsageError(f"{_FOLDER} is not set: name the folder with the recordings of your adapters")
    from worker.lab.conformance.cases import checks

    found = [pytest.param(check, id=name) for folder in folders for name, check in checks(folder)]
    if not found:
        raise pytest.UsageError(f"{_FOLDER}: no adapter is registered that {folders[0]} has recordings of")
    metafunc.parametrize("intake_contract", found)
