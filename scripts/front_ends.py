"""Try the widget in the front ends that the browser tests leave out; run it before a release.

In an environment of its own: ``pip install ".[anywidget]" "playwright<1.65" jupyterlab notebook
nbclassic voila marimo``, with Chromium and Firefox on PATH (Playwright 1.64 drives an installed
Firefox 153, later ones need a newer Firefox). Then ``python scripts/front_ends.py [NAME…]`` prints
a Markdown table for docs/front-ends.md, and leaves pictures in ``shots/``.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from asana_jobs_pd.sandbox import Clock, Sandbox

PATIENCE = 90_000
ROOT = Path(__file__).parents[1]
KERNEL = "asana"
CELLS = (
    "import asana_jobs_pd as aj\nclient = aj.connect({token!r}, base_url={base_url!r})",
    "widget = aj.JobsWidget({gids!r}, client=client, dest={dest!r})\nwidget",
)

Results = list[tuple[str, bool]]


@dataclass
class Trial:
    """A page that shows a widget of some jobs in a sandbox, and what has worked so far."""

    page: Page
    asana: Sandbox
    gids: list[str]
    folder: Path
    results: Results

    def step(self, name: str, do: Callable[[Trial], None]) -> None:
        """Do what a user does, and note whether it worked."""
        try:
            do(self)
        except Exception as error:  # noqa: BLE001  it is a report
            print(f"{name}: {str(error)[:600]}", file=sys.stderr)
            self.results.append((name, False))
        else:
            self.results.append((name, True))


def follow_jobs(trial: Trial) -> None:
    """Let jobs finish in Asana, and see it on the page."""
    rows = trial.page.locator(".aj-body .aj-row")
    expect(rows.first).to_contain_text("in progress")
    trial.asana.finish(*trial.gids)
    trial.page.get_by_role("button", name="Refresh", exact=True).click()
    expect(trial.page.locator(".aj-summary")).to_contain_text("All succeeded")


def sort_and_filter(trial: Trial) -> None:
    """Sort down by two clicks, and narrow the rows by words."""
    page, rows = trial.page, trial.page.locator(".aj-body .aj-row")
    page.get_by_role("button", name="Job", exact=True).click()
    page.get_by_role("button", name="Job", exact=True).click()
    expect(rows.first).to_contain_text(max(trial.gids))
    page.get_by_label("Filter the jobs").fill("graph export")
    expect(rows).to_have_count(sum(gid.startswith("1203") for gid in trial.gids))


def download(trial: Trial) -> None:
    """Select an export, and get its file."""
    page, export = trial.page, next(gid for gid in trial.gids if gid.startswith("1203"))
    page.get_by_label(f"Select graph export {export}").check()
    page.get_by_role("button", name="Download 1 selected").click()
    expect(page.locator(".aj-transfer")).to_contain_text("1 file verified")
    assert (trial.folder / "exports" / f"{export}-graph.jsonl.gz").is_file()


def load(trial: Trial) -> None:
    """Read it into ``widget.data``."""
    trial.page.get_by_role("button", name="Load", exact=True).click()
    expect(trial.page.locator(".aj-transfer")).to_contain_text("task rows")


def follow_plainly(trial: Trial) -> None:
    """See jobs finish in a table without buttons."""
    table = trial.page.locator("table.dataframe")
    expect(table).to_contain_text("in progress")
    trial.page.get_by_text("so the table has no buttons").wait_for()
    trial.asana.finish(*trial.gids)
    expect(table).not_to_contain_text("in progress")
    expect(trial.page.get_by_text("20 succeeded")).to_be_visible()


def read_the_remedy(trial: Trial) -> None:
    """Read what to install, and where."""
    expect(trial.page.get_by_text("pip install asana_jobs_pd")).to_be_visible()
    expect(trial.page.get_by_text("in the environment that runs Jupyter")).to_be_visible()


Steps = tuple[tuple[str, Callable[[Trial], None]], ...]
LIVE: Steps = (
    ("live rows", follow_jobs),
    ("sort, filter", sort_and_filter),
    ("download", download),
    ("load", load),
)
PLAIN: Steps = (("plain live table", follow_plainly), ("remedy", read_the_remedy))


def run_nbclassic(page: Page, base: str) -> None:
    """Open the notebook, and run it once its kernel is there."""
    page.goto(f"{base}/nbclassic/notebooks/x.ipynb")
    page.wait_for_function(
        "() => { const kernel = window.Jupyter?.notebook?.kernel;"
        " return kernel?.is_connected() && kernel.widget_manager; }",
        timeout=PATIENCE,
    )
    page.evaluate("() => Jupyter.notebook.execute_all_cells()")


def run_jupyter(path: str) -> Callable[[Page, str], None]:
    """Return what opens the notebook in JupyterLab or Notebook 7, and runs it."""

    def run(page: Page, base: str) -> None:
        page.goto(f"{base}/{path}/x.ipynb", timeout=PATIENCE)
        page.wait_for_function(
            "() => window.jupyterapp && document.querySelector('.jp-Notebook .jp-Cell')",
            timeout=PATIENCE,
        )
        page.evaluate(
            """async () => {
              const panels = [...window.jupyterapp.shell.widgets('main')];
              const { sessionContext } = panels.find(panel => panel.sessionContext);
              await sessionContext.ready;
              await sessionContext.session.kernel.info;
              window.jupyterapp.commands.execute('notebook:run-all-cells'); }"""
        )

    return run


def open_page(page: Page, base: str) -> None:
    """Open what runs by itself."""
    page.goto(base, timeout=PATIENCE)


def jupyter(module: str, app: str = "") -> Callable[[int, Path], list[str]]:
    """Return the command of a Jupyter server."""
    exposed = [f"--{app}.expose_app_in_browser=True"] if app else []
    return lambda port, folder: [
        *("-m", module, "--no-browser", "--allow-root", f"--ServerApp.port={port}"),
        *("--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=", "--ServerApp.port_retries=0"),
        *("--ServerApp.disable_check_xsrf=True", f"--ServerApp.root_dir={folder}", *exposed),
    ]


def own_python(*packages: str) -> Callable[[], str]:
    """Return what makes an environment of these packages only; its Jupyter finds our kernel."""

    def make() -> str:
        folder = Path(tempfile.mkdtemp(prefix="asana-jobs-server-"))
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)  # noqa: S603
        python = str(folder / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)  # noqa: S603
        spec = folder / "share" / "jupyter" / "kernels" / KERNEL
        spec.mkdir(parents=True)
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        described = {"argv": command, "display_name": "asana", "language": "python"}
        (spec / "kernel.json").write_text(json.dumps(described))
        return python

    return make


@dataclass(frozen=True)
class FrontEnd:
    """How to start it, with which Python, how to open it in which browser, what must work."""

    package: str
    command: Callable[[int, Path], list[str]]
    run: Callable[[Page, str], None]
    browser: str = "Chromium"
    python: Callable[[], str] | None = None
    steps: Steps = LIVE


LAB = jupyter("jupyterlab", "LabApp"), run_jupyter("lab/tree")
NOTEBOOK = jupyter("notebook", "JupyterNotebookApp"), run_jupyter("notebooks")
FRONT_ENDS = {
    "nbclassic": FrontEnd("nbclassic", jupyter("nbclassic"), run_nbclassic),
    "voila": FrontEnd(
        "voila",
        lambda port, folder: [
            *("-m", "voila", str(folder / "x.ipynb"), "--no-browser", f"--port={port}"),
            "--Voila.ip=127.0.0.1",
        ],
        open_page,
    ),
    "marimo": FrontEnd(
        "marimo",
        lambda port, folder: [
            *("-m", "marimo", "run", str(folder / "x.py"), "--headless", "--no-token"),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        open_page,
    ),
    "lab-firefox": FrontEnd("jupyterlab", *LAB, browser="Firefox"),
    "notebook-firefox": FrontEnd("notebook", *NOTEBOOK, browser="Firefox"),
    "lab-elsewhere": FrontEnd("jupyterlab", *LAB, python=own_python("jupyterlab"), steps=PLAIN),
    "lab-elsewhere-with-ipywidgets": FrontEnd(
        "jupyterlab", *LAB, python=own_python("jupyterlab", "ipywidgets"), steps=PLAIN
    ),
    "lab-elsewhere-remedied": FrontEnd(
        "jupyterlab", *LAB, python=own_python("jupyterlab", str(ROOT))
    ),
}


def write_notebook(folder: Path, kernel: str, cells: tuple[str, ...]) -> None:
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
    spec = {"name": kernel, "display_name": kernel, "language": "python"}
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


@contextlib.contextmanager
def serving(command: list[str], port: int, home: Path) -> Iterator[str]:
    """Run a server with a HOME of its own until it answers, and end it afterwards."""
    jupyter = {f"JUPYTER_{name}_DIR": str(home / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    environment = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home), **jupyter}
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  our own command
            command, env=environment, cwd=home, stdout=log, stderr=log
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


def try_front_end(name: str, page: Page) -> Results:
    """Start a front end, show a widget of some jobs in it, and check what works."""
    tried = FRONT_ENDS[name]
    python = tried.python() if tried.python else sys.executable
    with Sandbox(clock=Clock()) as asana, tempfile.TemporaryDirectory() as home:
        folder, gids = Path(home), asana.gids(20)
        for gid in gids:
            asana.progress(gid)
        given = {"token": asana.token, "base_url": asana.base_url, "gids": gids}
        given["dest"] = str(folder / "exports")
        kernel = KERNEL if tried.python else "python3"
        write_notebook(folder, kernel, (CELLS[0].format(**given), CELLS[1].format(**given)))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        trial = Trial(page, asana, gids, folder, [])
        with serving([python, *tried.command(port, folder)], port, folder) as base:
            trial.step("start", lambda _: tried.run(page, base))
            for title, step in tried.steps:
                trial.step(title, step)
            page.screenshot(path=f"shots/front-end-{name}.png")
    if tried.python:
        shutil.rmtree(Path(python).parents[1])
    return trial.results


def launch(playwright: Playwright, browser: str) -> Browser:
    """Start an installed browser."""
    if browser == "Firefox":
        path = shutil.which("firefox") or shutil.which("firefox-esr")
        return playwright.firefox.launch(channel="moz-firefox", executable_path=path)
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    return playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])


def main(names: list[str]) -> None:
    """Try front ends, all by default, and print what works as a table."""
    Path("shots").mkdir(exist_ok=True)
    expect.set_options(timeout=PATIENCE)
    print("| front end | version | browser | works | does not |\n|---|---|---|---|---|")
    with sync_playwright() as playwright:
        for name in names or FRONT_ENDS:
            tried = FRONT_ENDS[name]
            browser = launch(playwright, tried.browser)
            page = browser.new_page(viewport={"width": 1180, "height": 1000})
            results = try_front_end(name, page)
            works = ", ".join(step for step, good in results if good)
            fails = ", ".join(step for step, good in results if not good) or "–"  # noqa: RUF001
            version = importlib.metadata.version(tried.package)
            shown = f"{tried.browser} {browser.version.partition('.')[0]}"
            print(f"| {name} | {version} | {shown} | {works} | {fails} |", flush=True)
            browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
