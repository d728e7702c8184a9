"""The registries: adapters of other packages are loaded, and invalid ones are refused with the reason."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from worker.errors import ConfigError
from worker.systems.declared import Undeclared
from worker.systems.provider import Provider
from worker.systems.registry import Kinds, load_kinds
from worker.systems.retailcrm.provider import RetailCRM
from worker.systems.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Install = Callable[[str, str], None]

MODULE = """
from worker.systems.retailcrm.provider import RetailCRM

class Shop(RetailCRM):
    kind = "shop"

class Half(RetailCRM.__mro__[1]):
    kind = "shop"
    Options = RetailCRM.Options
    default_limit, documented_limit, default_poll_every = "1/s", None, 60

nothing = 1
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that installs a package with one entry point."""

    def install(name: str, value: str) -> None:
        (tmp_path / "shop_adapter.py").write_text(MODULE)
        (tmp_path / "shop_broken.py").write_text("raise RuntimeError('the key is K-4711')")
        info = tmp_path / "shop_adapter-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-adapter\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[intake.providers]\n{name} = {value}\n")
        monkeypatch.syspath_prepend(str(tmp_path))

    yield install
    sys.modules.pop("shop_adapter", None)


def loaded_kinds() -> Kinds[Provider]:
    return load_kinds("intake.providers", Provider, {"retailcrm": "worker.systems.retailcrm.provider:RetailCRM"})


def test_built_in_kinds_need_no_package() -> None:
    assert loaded_kinds() == {"retailcrm": RetailCRM}


def test_a_package_can_register_a_kind(install: Install) -> None:
    install("shop", "shop_adapter:Shop")
    assert loaded_kinds().keys() == {"retailcrm", "shop"}
    assert issubclass(loaded_kinds()["shop"], RetailCRM)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("retailcrm", "shop_adapter:Shop", "the kind retailcrm is taken by worker.systems.retailcrm.provider"),
        ("shop", "shop_adapter:Gone", "shop_adapter:Gone cannot be imported: AttributeError"),
        ("shop", "shop_missing:Shop", "shop_missing:Shop cannot be imported: ModuleNotFoundError"),
        ("shop", "shop_broken:Shop", "shop_broken:Shop cannot be imported: RuntimeError"),
        ("shop", "shop_adapter:nothing", "shop_adapter:nothing is not a complete Provider"),
        ("shop", "shop_adapter:Half", "shop_adapter:Half is not a complete Provider"),
        ("store", "shop_adapter:Shop", "shop_adapter:Shop has another kind"),
    ],
)
def test_an_invalid_entry_point_is_named_with_reason_and_remedy(
    install: Install, name: str, value: str, reason: str
) -> None:
    install(name, value)
    with pytest.raises(ConfigError) as caught:
        loaded_kinds()
    wrong = caught.value
    assert (wrong.file, wrong.key, wrong.reason) == ("package shop-adapter", f"intake.providers.{name}", reason)
    assert wrong.remedy.endswith(".")
    assert "K-4711" not in str(wrong)


SILENT = """
from worker.systems.target import Target

class Store(Target):
    kind = "store"
    Options = None
    default_limit = "1/s"
    documented_limit = None

    def create(self, order, reference): ...
    def find(self, reference): ...
    def check(self): ...
"""


def test_a_target_that_does_not_declare_whether_it_settles_is_refused_where_it_is_defined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "silent_adapter.py").write_text(SILENT)
    info = tmp_path / "silent_adapter-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: silent-adapter\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[intake.targets]\nstore = silent_adapter:Store\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError) as caught:
        load_kinds("intake.targets", Target, {})
    assert caught.value.reason == "silent_adapter:Store does not declare settles"
    assert caught.value.remedy == "Give its class a value for settles."
    with pytest.raises(TypeError, match="Store does not declare settles"):
        exec(SILENT, {})


def test_every_class_variable_without_a_default_must_be_declared() -> None:
    with pytest.raises(Undeclared) as caught:
        type("Bare", (Provider,), {"kind": "bare"})
    assert caught.value.names == ["Options", "default_limit", "documented_limit", "default_poll_every"]
    type("Mixin", (Target,), {})  # without a kind it is no adapter


def test_only_the_systems_that_are_looked_up_are_imported() -> None:
    script = (
        "import sys, worker.runtime as runtime; assert 'retailcrm' in runtime.provider_kinds(); "
        "runtime.target_kinds()['dropboy']; print(*sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    systems = {name.split(".")[2] for name in result.stdout.split() if name.startswith("worker.systems.")}
    assert "dropboy" in systems
    assert not systems & {"retailcrm", "dropday", "dropstream", "ordercloud"}
