"""A real Chromium for the tests of pages: one a module, a fresh window a test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
AXE = Path(__file__).parent / "axe.min.js"
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Playwright's handle of a browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


class Window:
    """A page that is open, with what its console said."""

    def __init__(self, chromium: Any, address: str, **options: Any) -> None:
        self.context = chromium.new_context(**{"viewport": WIDE, **options})
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.page.on("console", lambda line: self.said.append(line.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.goto(address)
        self.page.wait_for_selector("body[data-ready]", timeout=60_000)

    def text(self, selector: str) -> str:
        """What a person reads there."""
        return " ".join(str(self.page.inner_text(selector)).split())

    def sees(self, selector: str, state: Any = "visible") -> None:
        """Wait until what is asked for is "visible" or "hidden"; raises where it does not become so
        in half a minute."""
        self.page.locator(selector).wait_for(state=state)

    def drawn(self) -> set[str]:
        """The charts that are drawn, by id, once all that are to be seen were scrolled past."""
        self.page.evaluate("drawAll()")
        return set(
            self.page.eval_on_selector_all(
                ".chart[data-drawn]", "all => all.filter(x => x.offsetParent).map(x => x.id)"
            )
        ) - {""}

    def drag(self, selector: str, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag a box in a chart, from and to shares of its width and height."""
        self.page.locator(selector).scroll_into_view_if_needed()
        box = self.page.locator(selector).bounding_box()
        at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
        self.page.mouse.move(*at[0])
        self.page.mouse.down()
        self.page.mouse.move(*at[1], steps=4)
        self.page.mouse.up()

    def faults(self) -> list[str]:
        """What axe-core finds against WCAG A and AA."""
        self.page.add_script_tag(content=AXE.read_text())
        found = self.page.evaluate(
            "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
        )
        return [
            f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
            for one in found["violations"]
            for node in one["nodes"][:3]
        ]

    def close(self) -> None:
        self.context.close()
