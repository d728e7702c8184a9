"""The console in a real browser: each page at both widths and in both colours, by keyboard, and without scripts."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from console.stage import PAGES, PASSWORD, Stage, browser, open_page, running, visitor
from support.console_world import PERSONAL

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.paced

#: The widths of a phone and of a desk, each in one of the colour schemes.
VIEWS: list[dict[str, Any]] = [
    {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"},
    {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
]
#: Checks the accessibility of a page: what breaks a rule of WCAG 2.1 A or AA.
AXE = """axe.run(document, {resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    .then(result => result.violations.map(each => `${each.id} (${each.impact}): ${each.nodes.map(n => n.html)}`))"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, valkey: Any) -> Iterator[Stage]:
    with pytest.MonkeyPatch.context() as environment:
        for name in ("INTAKE_CONFIG", "TEST_KEY", "TEST_ACCOUNT"):
            environment.setenv(name, "")
        with running(tmp_path_factory.mktemp("console"), f"redis://127.0.0.1:{valkey.port}/0") as stage:
            yield stage
        # It ended by SIGTERM, in order and without a traceback.
        assert stage.process.returncode == 0


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as chromium:
        yield chromium


def axe_source() -> str:
    spec = find_spec("axe_core_python")
    assert spec
    assert spec.origin
    return Path(spec.origin).with_name("axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("view", VIEWS, ids=["phone", "desk"])
def test_every_page_is_accessible_fits_its_window_and_obeys_its_own_policy(
    stage: Stage, chromium: Any, view: dict[str, Any]
) -> None:
    axe, problems, complaints = axe_source(), {}, []
    with visitor(chromium, stage, **view) as page:
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        for name in PAGES:
            open_page(page, name)
            assert page.evaluate("document.documentElement.scrollWidth") <= view["viewport"]["width"], name
            page.evaluate(axe)
            problems[name] = page.evaluate(AXE)
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/sign-in")
        page.evaluate(axe)
        problems["sign-in"] = page.evaluate(AXE)
    assert {name: found for name, found in problems.items() if found} == {}
    assert [text for text in complaints if "404 (Not Found)" not in text] == []


def test_an_order_is_found_and_sent_again_by_keyboard_and_without_scripts(stage: Stage, chromium: Any) -> None:
    context = chromium.new_context(base_url=stage.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    page.locator("#name:focus").wait_for()
    for key in ("support", "Tab", PASSWORD, "Enter"):
        page.keyboard.press(key) if key in {"Tab", "Enter"} else page.keyboard.type(key)
    page.wait_for_url("**/")
    page.goto("/find")
    page.locator("#q:focus").wait_for()
    page.keyboard.type("#DE-1003")
    page.keyboard.press("Enter")
    page.wait_for_url("**/orders/**")
    focused = page.locator(":focus")
    for _ in range(20):
        page.keyboard.press("Tab")
        if focused.inner_text() == "Send again":
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/decide/**")
    assert page.get_by_role("heading", level=1).inner_text() == "Send this order to warehouse again?"
    for _ in range(20):
        page.keyboard.press("Tab")
        if focused.inner_text() == "Send again":
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/orders/**")
    assert page.get_by_role("status").inner_text() == "Send again: done."
    assert page.locator(".badge").first.inner_text() == "on its way"
    assert stage.rt.ledger.standing("warehouse", "shop-de:03").state == "queued"
    context.close()


def test_a_page_that_is_open_shows_what_changes_and_leaves_alone_what_is_in_use(stage: Stage, chromium: Any) -> None:
    context = chromium.new_context(base_url=stage.url)
    context.close()
    with visitor(chromium, stage, "viewer") as page:
        page.clock.install()
        page.goto("/")
        assert not any(text in page.content() for text in PERSONAL)
        stage.rt.lanes["returns"].pause("Stocktaking in the browser")
        page.clock.fast_forward(6000)
        page.get_by_text("Stocktaking in the browser").first.wait_for(timeout=10_000)
        page.locator("input[type=search]").fill("half a num")
        stage.rt.lanes["returns"].resume()
        page.clock.fast_forward(6000)
        page.get_by_text("Stocktaking in the browser").first.wait_for(state="detached", timeout=10_000)
        assert page.locator("input[type=search]").input_value() == "half a num"


def test_a_page_whose_session_has_ended_leads_to_the_form_to_sign_in(stage: Stage, chromium: Any) -> None:
    with visitor(chromium, stage, "viewer") as page:
        page.clock.install()
        page.goto("/")
        page.context.clear_cookies()
        page.clock.fast_forward(6000)
        page.wait_for_url("**/sign-in", timeout=10_000)
