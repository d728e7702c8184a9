"""Maps in files: their formats, their errors with the line, and how they follow their files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.order import Status
from support.fake_runtime import Warehouse
from support.settings_files import ENV, GOOD, Shop
from worker.runtime import Adapted
from worker.settings import map_files
from worker.settings.document import ConfigErrors
from worker.settings.load import Settings, load
from worker.settings.map_files import MapFile, MappedOptions
from worker.settings.map_formats import MapError, parse
from worker.settings.needs import EVERYTHING, NOTHING, Needs

if TYPE_CHECKING:
    from pathlib import Path


class MappedShopOptions(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    api_key: str = "k"
    product_map: dict[str, str] = {}
    status_map: dict[str, Status] = {}


class MappedShop(Shop):
    Options: ClassVar[type[BaseModel]] = MappedShopOptions


def csv(text: str, columns: tuple[str, str] | None = None) -> dict[str, str]:
    return parse(text.encode(), ".csv", columns).values


def error(content: str | bytes, suffix: str = ".csv", columns: tuple[str, str] | None = None) -> str:
    with pytest.raises(MapError) as raised:
        parse(content.encode() if isinstance(content, str) else content, suffix, columns)
    return raised.value.reason


@pytest.mark.parametrize(
    "text",
    [
        "MUG,P-1\nCUP,P-2\n",
        "sku,product\nMUG,P-1\nCUP,P-2",
        "\ufeffSKU;Product_ID\r\nMUG;P-1\r\nCUP;P-2\r\n",
        "\n our sku , their product\n\n MUG , P-1 \n\n\n CUP,P-2\n,\n\n",
        "sku\tproduct\nMUG\tP-1\nCUP\tP-2\n",
        '"MUG","P-1"\r"CUP","P-2"\r',
        "MUG,P-1,\nCUP,P-2,,\n",
    ],
)
def test_a_csv_file_is_read_as_spreadsheets_write_it(text: str) -> None:
    assert csv(text) == {"MUG": "P-1", "CUP": "P-2"}


def test_a_first_line_that_names_no_columns_is_an_entry() -> None:
    assert csv("sku-1,product-1\n") == {"sku-1": "product-1"}
    assert csv("MUG,product\n") == {"MUG": "product"}
    assert csv('"a,b","say ""x""\nagain"\nc,d\n') == {"a,b": 'say "x"\nagain', "c": "d"}


def test_columns_are_chosen_by_the_names_in_the_first_line() -> None:
    text = "Artikel;Name;Produkt\nMUG;A mug;P-1\nCUP;A cup;P-2\n"
    assert csv(text, ("artikel", "Produkt")) == {"MUG": "P-1", "CUP": "P-2"}
    assert error(text, columns=("artikel", "product")) == "line 1: has no column product"
    assert error("a,b,a\n1,2,3\n", columns=("a", "b")) == "line 1: has more than one column a"
    assert error("a,b,c\n1,2\n", columns=("a", "c")) == "line 2: has 2 columns, and the first line has more"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("MUG,P-1\n\nCUP\n", "line 3: has no second column"),
        ("sku\nMUG\n", "line 1: has no second column"),
        ("sku,product\n\n\nMUG,P-1\nCUP,P-2\nMUG,P-3\n", "line 6: the key MUG is already in line 4"),
        ("MUG,P-1\nMUG,P-1\n", "line 2: the key MUG is already in line 1"),
        ('"a\nb",P-1\nCUP,\n', "line 3: has an empty cell"),
        ("MUG,P-1\n,P-2\n", "line 2: has an empty cell"),
        ("sku,name,product\nMUG,A mug,P-1\n", "line 1: has 3 columns"),
        ('MUG,P-1\nCUP,"P-2\nX,Y\n', "line 2: is not CSV: unexpected end of data"),
        ("", "has no entry"),
        ("\n ,\n\n", "has no entry"),
        ("sku,product\n", "has no entry"),
    ],
)
def test_a_wrong_line_is_named_with_its_number(text: str, reason: str) -> None:
    assert error(text) == reason


def test_text_in_another_encoding_is_refused_with_the_line() -> None:
    assert error(b"MUG,P-1\nCAF\xc9,P-2\n") == "line 2: is not UTF-8 text"
    assert error("MUG,P-1\n".encode("utf-16")) == "line 1: is not UTF-8 text"


def test_json_and_toml_files_are_maps_as_well() -> None:
    assert parse(b'{"MUG": "P-1"}', ".JSON").values == {"MUG": "P-1"}
    assert parse(b'MUG = "P-1"\n"A B" = "P-2"\n', ".toml").values == {"MUG": "P-1", "A B": "P-2"}


@pytest.mark.parametrize(
    ("text", "suffix", "reason"),
    [
        ('{"a": "1",\n"a": "2"}', ".json", "has the key a twice"),
        ('{"a": "1",\n b}', ".json", "line 2: is not JSON: Expecting property name enclosed in double quotes"),
        ('["a"]', ".json", "is not a map"),
        ('{"a": 1}', ".json", "the value of a is not text"),
        ('{"a": {"b": "c"}}', ".json", "the value of a is not text"),
        ('{"a ": "1", "a": "2"}', ".json", "has the key a twice"),
        ("[" * 100_000, ".json", "is not a map: it is nested"),
        ('[a]\nb = "c"\n', ".toml", "the value of a is not text"),
        ("{}", ".json", "has no entry"),
    ],
)
def test_other_content_is_refused(text: str, suffix: str, reason: str) -> None:
    assert error(text, suffix) == reason


@given(st.binary(max_size=200), st.sampled_from([".csv", ".json", ".toml"]))
def test_whatever_a_file_holds_is_a_map_or_a_named_error(content: bytes, suffix: str) -> None:
    try:
        entries = parse(content, suffix)
    except MapError:
        return
    assert all(key and value for key, value in entries.values.items())


def settings(tmp_path: Path, keys: str, needs: Needs = EVERYTHING) -> Settings:
    file = tmp_path / "intake.toml"
    file.write_text(GOOD.replace('kind = "shop"', f'kind = "shop"\n{keys}'))
    kinds = {"crm": MappedShop, "shop": MappedShop}
    return load(file, ENV, kinds, {"shop": MappedShop}, {}, needs=needs)


def product_map(loaded: Settings) -> dict[str, str]:
    options = loaded.targets["store"].current_options
    assert isinstance(options, MappedShopOptions)
    return options.product_map


@pytest.fixture(autouse=True)
def _look_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_files, "_EVERY", 0.0)


def test_a_map_is_read_again_when_its_file_changes(tmp_path: Path) -> None:
    skus = tmp_path / "skus.csv"
    skus.write_text("MUG,P-1\n")
    loaded = settings(tmp_path, 'product_map = "file:skus.csv"')
    options = loaded.targets["store"].current_options
    assert product_map(loaded) == {"MUG": "P-1"}
    assert loaded.targets["store"].current_options is options
    skus.write_text("MUG,P-2\n")
    assert product_map(loaded) == {"MUG": "P-2"}
    assert loaded.targets["store"].options is options


def test_a_broken_file_keeps_the_last_map_and_is_logged_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    skus = tmp_path / "skus.csv"
    skus.write_text("MUG,P-1\n")
    loaded = settings(tmp_path, 'product_map = "file:skus.csv"')
    for content in ("MUG,P-1\nMUG,P-2\n", "MUG,P-1\nMUG,P-2\n\n"):
        skus.write_text(content)
        assert product_map(loaded) == {"MUG": "P-1"}
    [problem] = loaded.targets["store"].map_problems
    assert problem == (
        "product_map",
        "skus.csv: line 2: the key MUG is already in line 1",
        "Delete one of the two lines.",
    )
    skus.unlink()
    assert product_map(loaded) == {"MUG": "P-1"}
    assert [found.reason for found in loaded.targets["store"].map_problems] == ["skus.csv: does not exist"]
    skus.write_text("MUG,P-3\n")
    assert (product_map(loaded), loaded.targets["store"].map_problems) == ({"MUG": "P-3"}, [])
    output = capsys.readouterr().out
    assert (output.count("map.unreadable"), output.count("map.read ")) == (2, 1)


def test_values_that_the_options_refuse_keep_the_last_map_and_name_the_line(tmp_path: Path) -> None:
    statuses = tmp_path / "statuses.csv"
    statuses.write_text("code,status\nnovyi,new\n")
    loaded = settings(tmp_path, 'status_map = "file:statuses.csv"')
    statuses.write_text("code,status\nnovyi,new\n\nopl,payd\n")
    options = loaded.targets["store"].current_options
    assert isinstance(options, MappedShopOptions)
    assert options.status_map == {"novyi": Status.NEW}
    [problem] = loaded.targets["store"].map_problems
    assert problem.reason.startswith("statuses.csv: line 4: input should be 'new', 'paid'")


def test_one_broken_map_does_not_stop_the_other(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("MUG,P-1\n")
    (tmp_path / "b.csv").write_text("novyi,new\n")
    loaded = settings(tmp_path, 'product_map = "file:a.csv"\nstatus_map = "file:b.csv"')
    (tmp_path / "b.csv").write_text("novyi,nothing\n")
    (tmp_path / "a.csv").write_text("MUG,P-2\n")
    assert product_map(loaded) == {"MUG": "P-2"}
    assert [problem.key for problem in loaded.targets["store"].map_problems] == ["status_map"]


@pytest.mark.parametrize(
    ("value", "content", "message"),
    [
        ("file:none.csv", "", "none.csv: does not exist. Its name is relative to the folder of intake.toml."),
        ("file:skus.csv", "MUG,P-1\nCUP\n", "skus.csv: line 2: has no second column. Write one entry per line: MUG-1,"),
        ("file:skus.csv", "", "skus.csv: has no entry. Write one entry per line: MUG-1,product-1."),
        ("file:", "", ": does not name a file, or a file and two of its columns. Write"),
        ("file:skus.csv#sku", "a,b\n", "skus.csv: does not name a file, or a file and two of its columns. Write"),
        ("skus.csv", "MUG,P-1\n", "must be a table. Write its keys under a heading of their own, in brackets."),
    ],
)
def test_a_map_that_cannot_be_read_is_refused_at_start(tmp_path: Path, value: str, content: str, message: str) -> None:
    (tmp_path / "skus.csv").write_text(content)
    with pytest.raises(ConfigErrors) as refused:
        settings(tmp_path, f'product_map = "{value}"')
    assert f"targets.store.product_map: {message}" in str(refused.value)


def test_a_command_that_only_shows_passes_a_broken_map(tmp_path: Path) -> None:
    loaded = settings(tmp_path, 'product_map = "file:none.csv"', NOTHING)
    assert product_map(loaded) == {}
    assert [problem.key for problem in loaded.targets["store"].map_problems] == ["product_map"]


def test_a_wrong_value_beside_a_map_is_reported_as_ever(tmp_path: Path) -> None:
    (tmp_path / "skus.csv").write_text("MUG,P-1\n")
    with pytest.raises(ConfigErrors, match=r"targets\.store\.status_map\.x: is not one of the choices"):
        settings(tmp_path, 'product_map = "file:skus.csv"\nstatus_map = { x = "y" }')


def test_an_unchanged_file_is_not_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skus = tmp_path / "skus.csv"
    skus.write_text("MUG,P-1\n")
    os.utime(skus, (1_000_000_000, 1_000_000_000))
    mapped = MappedOptions("targets.store", MappedShopOptions, {}, {"product_map": MapFile("file:skus.csv", tmp_path)})
    mapped.load()
    opened: list[bytes] = []
    monkeypatch.setattr(map_files, "parse", lambda content, *_: opened.append(content))
    before = mapped.current
    assert (mapped.current is before, opened) == (True, [])


def test_the_files_are_looked_at_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_files, "_EVERY", 1.0)
    skus = tmp_path / "skus.csv"
    skus.write_text("MUG,P-1\n")
    now = [100.0]
    monkeypatch.setattr("worker.settings.map_files.time.monotonic", lambda: now[0])
    file = MapFile("file:skus.csv", tmp_path)
    read = Mock(side_effect=file.read)
    monkeypatch.setattr(file, "read", read)
    mapped = MappedOptions("targets.store", MappedShopOptions, {}, {"product_map": file})
    mapped.load()
    for passed in (0.0, 0.5, 0.9, 1.1, 1.2, 2.2):
        now[0] = 100.0 + passed
        mapped.current  # noqa: B018
    assert read.call_count == 3


def test_a_file_that_changes_within_the_resolution_of_its_time_is_read_again(tmp_path: Path) -> None:
    skus = tmp_path / "skus.csv"
    file = MapFile("file:skus.csv", tmp_path)
    skus.write_text("MUG,P-1\n")
    stat = skus.stat()
    assert not isinstance(file.read(), MapError)
    skus.write_text("MUG,P-2\n")
    os.utime(skus, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    entries = file.read()
    assert not isinstance(entries, MapError)
    assert entries.values == {"MUG": "P-2"}


def test_a_wrong_value_of_the_options_is_raised_at_the_first_reading(tmp_path: Path) -> None:
    (tmp_path / "skus.csv").write_text("MUG,P-1\n")
    files = {"product_map": MapFile("file:skus.csv", tmp_path)}
    with pytest.raises(ValidationError):
        MappedOptions("targets.store", MappedShopOptions, {"api_key": 3}, files).load()


def test_an_adapter_gets_the_options_of_a_changed_map(tmp_path: Path) -> None:
    class Copying(Warehouse):
        """A target that copies its map, as an adapter of another package may."""

        def configure(self, options: MappedShopOptions) -> None:
            self.products = dict(options.product_map)

    (tmp_path / "skus.csv").write_text("MUG,P-1\n")
    loaded = settings(tmp_path, 'product_map = "file:skus.csv"')
    target = Copying()
    target.configure(MappedShopOptions(product_map={"MUG": "P-1"}))
    adapters = Adapted[Copying](loaded.targets, {"store": target})
    assert adapters["store"].products == {"MUG": "P-1"}
    (tmp_path / "skus.csv").write_text("MUG,P-2\n")
    assert adapters["store"].products == {"MUG": "P-2"}
