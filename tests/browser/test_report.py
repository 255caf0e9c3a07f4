"""A report in a browser: it fits every width, follows the theme, and prints."""

from __future__ import annotations

import pytest
from made import few, many

OVERFLOWING = """() => [...document.querySelectorAll("main *:not(svg *)")].filter(element =>
    element.getBoundingClientRect().right > innerWidth + 1 && !element.closest(".scroll")
).map(element => element.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module", params=["few", "many", "wide"])
def report(request, tmp_path_factory):
    jobs = many(300) if request.param == "many" else few()
    columns = []
    if request.param == "wide":
        columns = [f"column {n}" for n in range(9)]
        jobs = jobs.assign(**dict.fromkeys(columns, "x" * 150))
    return jobs.asana.report(tmp_path_factory.mktemp("report") / "r.html", columns=columns)


@pytest.fixture
def page(context, report):
    page = context.new_page()
    errors = []
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(report.as_uri())
    yield page
    page.close()
    assert errors == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [420, 660, 1200])
def test_a_report_fits(page, shoot, width, theme):
    """No part is cut, one picture is shown, and its texts have the color of the page's."""
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OVERFLOWING) == []
    assert page.locator(".narrow svg").is_visible() == (width < 640)
    assert page.locator(".wide svg").is_visible() == (width >= 640)
    colors = page.evaluate(
        """() => [document.querySelector("svg text"), document.body].map(element =>
            getComputedStyle(element)[element === document.body ? "color" : "fill"])"""
    )
    assert colors[0] == colors[1]
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (theme == "light")
    shoot(page, f"{width}-{theme}", whole=True)


def test_a_report_prints(page, tmp_path):
    """On paper it is light, rows are not cut, heads repeat, and no column is lost."""
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size({"width": 680, "height": 900})
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    rules = page.evaluate(
        """() => ["tr", "svg", "thead"].map(name => getComputedStyle(document.querySelector(name)))
            .map(style => [style.breakInside, style.display])"""
    )
    assert [rule[0] for rule in rules[:2]] == ["avoid", "avoid"]
    assert rules[2][1] == "table-header-group"
    assert page.evaluate("document.documentElement.scrollWidth") <= 680
    page.pdf(path=tmp_path / "r.pdf", format="A4")
    assert (tmp_path / "r.pdf").stat().st_size > 10_000
