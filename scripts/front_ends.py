"""Try the widget in the front ends that the browser tests leave out; run it before a release.

In an environment of its own: ``pip install ".[anywidget]" playwright nbclassic voila marimo``,
and Chromium; then ``python scripts/front_ends.py [NAME…]``. It prints a Markdown table for
docs/front-ends.md, and leaves pictures in ``shots/``.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

from asana_jobs_pd.sandbox import Clock, Sandbox

PATIENCE = 90_000
CELLS = (
    "import asana_jobs_pd as aj\nclient = aj.connect({token!r}, base_url={base_url!r})",
    "widget = aj.JobsWidget({gids!r}, client=client, dest={dest!r})\nwidget",
)


def write_notebook(folder: Path, cells: tuple[str, ...]) -> None:
    """Write a notebook, and the same as a marimo app."""
    made: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "id": f"cell{place}",
            "source": source,
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
        for place, source in enumerate(cells)
    ]
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": spec, "language_info": {"name": "python"}}
    notebook = {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    (folder / "x.ipynb").write_text(json.dumps(notebook))
    first, last = (source.replace("\n", "\n    ") for source in cells)
    (folder / "x.py").write_text(
        "import marimo\napp = marimo.App()\n\n@app.cell\ndef _():\n"
        f"    {first}\n    return aj, client\n\n@app.cell\ndef _(aj, client):\n    {last}\n"
        "    return\n\n"
        'if __name__ == "__main__":\n    app.run()\n'
    )


def run_nbclassic(page: Page, base: str) -> None:
    """Open the notebook, and run it once its kernel is there."""
    page.goto(f"{base}/nbclassic/notebooks/x.ipynb")
    page.wait_for_function(
        "() => { const kernel = window.Jupyter?.notebook?.kernel;"
        " return kernel?.is_connected() && kernel.widget_manager; }",
        timeout=PATIENCE,
    )
    page.evaluate("() => Jupyter.notebook.execute_all_cells()")


def open_page(page: Page, base: str) -> None:
    """Open what runs by itself."""
    page.goto(base, timeout=PATIENCE)


Start = Callable[[int, Path], list[str]]
FRONT_ENDS: dict[str, tuple[Start, Callable[[Page, str], None]]] = {
    "nbclassic": (
        lambda port, folder: [
            *("-m", "nbclassic", "--no-browser", "--allow-root", f"--ServerApp.port={port}"),
            *(
                "--ServerApp.ip=127.0.0.1",
                "--IdentityProvider.token=",
                "--ServerApp.port_retries=0",
            ),
            *("--ServerApp.disable_check_xsrf=True", f"--ServerApp.root_dir={folder}"),
        ],
        run_nbclassic,
    ),
    "voila": (
        lambda port, folder: [
            *("-m", "voila", str(folder / "x.ipynb"), "--no-browser", f"--port={port}"),
            "--Voila.ip=127.0.0.1",
        ],
        open_page,
    ),
    "marimo": (
        lambda port, folder: [
            *("-m", "marimo", "run", str(folder / "x.py"), "--headless", "--no-token"),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        open_page,
    ),
}


@contextlib.contextmanager
def serving(command: list[str], port: int, home: Path) -> Iterator[str]:
    """Run a server with a HOME of its own until it answers, and end it afterwards."""
    jupyter = {f"JUPYTER_{name}_DIR": str(home / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    environment = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home), **jupyter}
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  our own command
            [sys.executable, *command], env=environment, cwd=home, stdout=log, stderr=log
        )
        base = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + 60
            while not _answers(base):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((home / "server.log").read_text(errors="replace")[-2000:])
                time.sleep(0.2)
            yield base
        finally:
            process.terminate()
            process.wait(20)


def _answers(base: str) -> bool:
    with contextlib.suppress(OSError):
        urllib.request.urlopen(base, timeout=20).close()  # noqa: S310  on 127.0.0.1
        return True
    return False


def check(page: Page, asana: Sandbox, gids: list[str], dest: Path) -> list[tuple[str, bool]]:
    """Do what a user does, and return what worked."""
    rows = page.locator(".aj-body .aj-row")
    export = next(gid for gid in gids if gid.startswith("1203"))

    def live() -> None:
        expect(rows.first).to_contain_text("in progress")
        asana.finish(*gids)
        page.get_by_role("button", name="Refresh").click()
        expect(page.locator(".aj-summary")).to_contain_text("All succeeded")

    def sort_and_filter() -> None:
        page.get_by_role("button", name="Job", exact=True).click()
        page.get_by_role("button", name="Job", exact=True).click()
        expect(rows.first).to_contain_text(max(gids))
        page.get_by_label("Filter the jobs").fill("graph export")
        expect(rows).to_have_count(sum(gid.startswith("1203") for gid in gids))

    def download() -> None:
        page.get_by_label(f"Select graph export {export}").check()
        page.get_by_role("button", name="Download 1 selected").click()
        expect(page.locator(".aj-transfer")).to_contain_text("1 file verified")
        assert (dest / f"{export}-graph.jsonl.gz").is_file()

    def load() -> None:
        page.get_by_role("button", name="Load", exact=True).click()
        expect(page.locator(".aj-transfer")).to_contain_text("task rows")

    results = []
    for name, step in (
        ("live rows", live),
        ("sort, filter", sort_and_filter),
        ("download", download),
        ("load", load),
    ):
        try:
            step()
        except Exception as error:  # noqa: BLE001  it is a report
            print(f"{name}: {str(error)[:600]}", file=sys.stderr)
            results.append((name, False))
        else:
            results.append((name, True))
    return results


def try_front_end(name: str, page: Page) -> list[tuple[str, bool]]:
    """Start a front end, show a widget of some jobs in it, and check what works."""
    command, run = FRONT_ENDS[name]
    with Sandbox(clock=Clock()) as asana, tempfile.TemporaryDirectory() as home:
        folder, gids = Path(home), asana.gids(20)
        for gid in gids:
            asana.progress(gid)
        given = {"token": asana.token, "base_url": asana.base_url, "gids": gids}
        given["dest"] = str(folder / "exports")
        write_notebook(folder, (CELLS[0].format(**given), CELLS[1].format(**given)))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with serving(command(port, folder), port, folder) as base:
            run(page, base)
            results = check(page, asana, gids, folder / "exports")
            page.screenshot(path=f"shots/front-end-{name}.png")
    return results


def main(names: list[str]) -> None:
    """Try front ends, all by default, and print what works as a table."""
    Path("shots").mkdir(exist_ok=True)
    expect.set_options(timeout=PATIENCE)
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    print("| front end | version | works | does not |\n|---|---|---|---|")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name in names or FRONT_ENDS:
            page = browser.new_page(viewport={"width": 1180, "height": 1000})
            results = try_front_end(name, page)
            page.close()
            works = ", ".join(step for step, good in results if good)
            fails = ", ".join(step for step, good in results if not good)
            print(f"| {name} | {importlib.metadata.version(name)} | {works} | {fails or '–'} |")  # noqa: RUF001
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
