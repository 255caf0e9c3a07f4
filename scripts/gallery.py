"""Make the pictures of the documentation from the sandbox: the widget, reports, charts.

``python scripts/gallery.py docs/images [NAME…]`` needs what the browser's tests need, and Chromium.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests")]

import matplotlib.pyplot as plt  # noqa: E402
import pandas as pd  # noqa: E402
from browser.page import NotebookPage, browser_context, find_chromium  # noqa: E402
from browser.server import JupyterServer  # noqa: E402
from playwright.sync_api import BrowserContext, Page, expect  # noqa: E402

import asana_jobs_pd as aj  # noqa: E402
from asana_jobs_pd.sandbox import Clock, Sandbox  # noqa: E402

SHOW = """
import asana_jobs_pd as aj
client = aj.connect({token!r}, base_url={base_url!r})
widget = aj.JobsWidget({gids!r}, client=client, dest="exports/")
widget
"""
STYLE = """
table { font: 14px sans-serif; border-collapse: collapse; }
td, th { padding: 6px 10px; text-align: left; vertical-align: top; border-bottom: 1px solid #ddd; }
"""


class Gallery:
    """Makes pictures into a folder."""

    def __init__(self, context: BrowserContext, folder: Path) -> None:
        self.context = context
        self.folder = folder

    @contextlib.contextmanager
    def widget(self, asana: Sandbox, gids: list[str], **server: object) -> Iterator[NotebookPage]:
        """Show a widget in a JupyterLab of its own."""
        with JupyterServer("lab", **server) as running:
            given = {"token": asana.token, "base_url": asana.base_url, "gids": gids}
            running.write("gallery.ipynb", SHOW.format(**given).strip())
            note = NotebookPage(self.context, running, "gallery.ipynb").open()
            note.run_all()
            yield note
            note.page.close()

    def shoot(self, page: Page, name: str, selector: str = ".aj") -> None:
        """Keep the picture of an element."""
        page.mouse.move(2, 2)
        page.locator(selector).first.screenshot(path=self.folder / f"{name}.png")

    def states_of_the_widget(self) -> None:
        """Watching, filtered, downloaded and loaded, after a restart of the kernel."""
        with Sandbox(clock=minutes_ago()) as asana:
            gids = busy(asana)
            with self.widget(asana, gids) as note:
                page = note.page
                expect(page.locator(".aj-body .aj-row").first).to_be_visible()
                self.shoot(page, "widget-light")
                page.get_by_label("Filter the jobs").fill("export")
                self.shoot(page, "widget-filtered")
                page.get_by_label("Filter the jobs").fill("")
                page.get_by_role("button", name="Download").first.click()
                expect(page.locator(".aj-transfer")).to_contain_text("verified")
                page.get_by_role("button", name="Load", exact=True).click()
                expect(page.locator(".aj-transfer")).to_contain_text("task rows")
                self.shoot(page, "widget-loaded")
                note.restart()
                expect(page.locator(".aj").first).to_contain_text("Not connected")
                self.shoot(page, "widget-not-connected")

    def widget_in_the_dark(self) -> None:
        """Show it in the dark theme of JupyterLab."""
        with (
            Sandbox(clock=minutes_ago()) as asana,
            self.widget(asana, busy(asana), theme="dark") as note,
        ):
            expect(note.page.locator(".aj-body .aj-row").first).to_be_visible()
            self.shoot(note.page, "widget-dark")

    def widget_without_its_script(self) -> None:
        """Show what there is without our script."""
        with Sandbox(clock=minutes_ago()) as asana:
            gids = busy(asana)
            with self.widget(asana, gids, front_end=False) as note:
                expect(note.page.locator(".jp-OutputArea-output table").first).to_contain_text(
                    "failed"
                )
                self.shoot(note.page, "widget-plain", ".jp-OutputArea-output")

    def charts(self) -> None:
        """Timeline, status, cumulative flow, burnup."""
        with Sandbox(time_scale=600, url_lifetime=1e7, export_rows=400) as asana:
            jobs, data = finished(asana)
            pictures: dict[str, Callable[[], plt.Axes]] = {
                "timeline": jobs.asana.plot.timeline,
                "status": jobs.asana.plot.status,
                "flow": data.plot.flow,
                "burnup": data.plot.burnup,
            }
            for name, draw in pictures.items():
                figure = draw().figure
                figure.savefig(self.folder / f"{name}.png", dpi=110, bbox_inches="tight")
                plt.close(figure)

    def pages(self) -> None:
        """Show the report, light and dark, and the dictionary of an export."""
        with Sandbox(time_scale=600, url_lifetime=1e7) as asana, temporary() as folder:
            jobs, data = finished(asana)
            jobs = jobs.asana.download(folder / "exports", progress=False)
            report = jobs.asana.report(folder / "jobs.html", title="This week's exports")
            page = self.context.new_page()
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                page.goto(report.as_uri())
                page.screenshot(path=self.folder / f"report-{scheme}.png")
            page.emulate_media(color_scheme="light")
            fields = data.dictionary().query("resource_type == 'task'").tail(9)
            columns = ["column", "type", "meaning", "filled", "options"]
            table = (
                fields[columns]
                .astype(object)
                .fillna("")
                .to_html(index=False, border=0, float_format="{:.2f}".format)
            )
            page.set_content(f"<style>{STYLE}</style>{table}")
            page.locator("table").screenshot(path=self.folder / "dictionary.png")
            page.close()


def minutes_ago() -> Clock:
    """Return a clock that stands a few minutes ago, so that the jobs have a likely age."""
    return Clock(datetime.now(UTC) - timedelta(minutes=3))


def busy(asana: Sandbox) -> list[str]:
    """Put a dozen jobs into every state there is."""
    gids = asana.gids(12)
    for gid in gids[:4]:
        asana.progress(gid)
    asana.finish(*gids[3:9])
    asana.progress(gids[9], status="failed")
    asana.answer(gids[10], 404)
    return gids


def finished(asana: Sandbox) -> tuple[pd.DataFrame, aj.AsanaExport]:
    """Return jobs, most of which have finished, and what a resource export of them holds."""
    aj.connect(asana.token, base_url=asana.base_url)
    gids = [*asana.gids(24), *asana.gids(4, "graph_export_request", 9)]
    jobs = aj.read_asana_jobs(gids).asana.wait(progress=False)
    with temporary() as folder:
        exports = jobs[jobs["resource_subtype"] == "export_request"].head(1)
        data = exports.asana.download(folder, progress=False).asana.load(progress=False)
    return jobs, data


@contextlib.contextmanager
def temporary() -> Iterator[Path]:
    """Make a folder for a while."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def main(folder: str, *names: str) -> None:
    """Make all pictures, or those of some methods of `Gallery`."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=60_000)
    with browser_context(find_chromium(), 1100, 900) as context:
        gallery = Gallery(context, target)
        everything = [name for name in vars(Gallery) if name[0] != "_"]
        for name in names or [name for name in everything if name not in ("widget", "shoot")]:
            getattr(gallery, name)()


if __name__ == "__main__":
    main(*sys.argv[1:])
