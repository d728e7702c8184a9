"""The suites are modules of their own, and are to explain a failed assertion as a test does."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("provider_suite", "target_suite", "bulk_suite", "update_suite")
