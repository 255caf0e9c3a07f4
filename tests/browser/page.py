"""A notebook in a headless Chromium: the few things a test does with it, and what it sees."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from browser.server import notebook_of

__all__ = ["NotebookPage", "browser_context", "find_chromium"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",  # /dev/shm has 64 MB in containers
    "--disable-background-timer-throttling",
)
KNOWN_ERRORS = ("reading 'schema'",)
"""What Notebook 7.6 itself throws when it starts."""

FIND = """
 const shell = window.jupyterapp.shell; let panel = null;
 for (const widget of shell.widgets('main'))
   if (widget.sessionContext && widget.content && widget.content.widgets) panel = panel || widget;
"""
READY = (
    "async () => {"
    + FIND
    + """
 await panel.context.ready; await panel.sessionContext.ready;
 const kernel = panel.sessionContext.session && panel.sessionContext.session.kernel;
 if (!kernel) throw new Error('no kernel: is a dialog open?');
 await kernel.info;
 for (let i = 0; i < 600 && kernel.status !== 'idle'; i++)
   await new Promise(done => setTimeout(done, 50));
 return kernel.status; }"""
)
START = "command => { window.jupyterapp.commands.execute(command); }"
EXECUTE = """command => Promise.race([
  window.jupyterapp.commands.execute(command).then(() => null),
  new Promise((_, fail) => setTimeout(() => fail(new Error(command + ': too long')), 60000))])"""
REPLACE = "content => {" + FIND + " panel.content.model.fromJSON(content); }"
RESTART = "async () => {" + FIND + " await panel.sessionContext.session.kernel.restart(); }"
RUN_CODE = (
    "code => {"
    + FIND
    + """
 return panel.sessionContext.session.kernel.requestExecute({code}).done.then(reply => {
   if (reply.content.status !== 'ok') throw new Error(reply.content.evalue); }); }"""
)


def find_chromium():
    """Return the path of a Chromium: $CHROMIUM, or one on PATH; None without."""
    given = os.environ.get("CHROMIUM")
    found = [given] if given else filter(None, map(shutil.which, NAMES))
    return next((path for path in found if Path(path).exists()), None)


@contextlib.contextmanager
def browser_context(chromium, width=1280, height=1000):
    """A browser with an empty profile, which is removed afterwards."""
    from playwright.sync_api import sync_playwright

    profile = tempfile.mkdtemp(prefix="asana-jobs-chromium-")
    try:
        with sync_playwright() as playwright:
            context = playwright.chromium.launch_persistent_context(
                profile,
                executable_path=chromium,
                headless=True,
                args=list(ARGUMENTS),
                viewport={"width": width, "height": height},
            )
            context.set_default_timeout(30_000)
            try:
                yield context
            finally:
                context.close()
    finally:
        shutil.rmtree(profile, ignore_errors=True)


class NotebookPage:
    """An open notebook; commands are given by their id, never by menus."""

    def __init__(self, context, server, name):
        self.server, self.name = server, name
        self.page = context.new_page()
        self.errors = []
        self.frames = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("websocket", self._listen)

    def open(self):
        """Load the page; it takes seconds, so that tests share it."""
        self.page.goto(self.server.url(self.name), wait_until="domcontentloaded")
        self.page.wait_for_function(
            "() => window.jupyterapp && document.querySelector('.jp-Notebook .jp-Cell')",
            timeout=60_000,
        )
        self.page.evaluate(READY)
        return self

    def begin(self, *cells):
        """Put these cells in place of all that was there, and forget what was seen."""
        self.page.evaluate(REPLACE, notebook_of(*cells))
        self.page.wait_for_function(
            "n => document.querySelectorAll('.jp-CodeCell').length === n", arg=len(cells)
        )
        self.errors.clear()
        self.frames.clear()
        return self

    def end(self):
        """Let the kernel be free, and close all widgets."""
        if any("*" in prompt for prompt in self.prompts()):
            self.command("notebook:interrupt-kernel")
        self.run_code("import ipywidgets; ipywidgets.Widget.close_all()")

    def run_code(self, code):
        """Run code in the kernel, outside of any cell."""
        self.page.evaluate(RUN_CODE, code)

    def run_all(self):
        """Run all cells, and return when the last is done."""
        self.page.evaluate(EXECUTE, "notebook:run-all-cells")

    def start_all(self):
        """Run all cells without waiting: for cells that block."""
        self.page.evaluate(START, "notebook:run-all-cells")

    def run_cell(self, place):
        """Run one cell, and return when it is done."""
        self.page.locator(".jp-CodeCell").nth(place).locator(".jp-InputArea-editor").click()
        self.command("notebook:run-cell")

    def restart(self):
        """Restart the kernel."""
        self.page.evaluate(RESTART)

    def command(self, name):
        self.page.evaluate(EXECUTE, name)

    def save(self):
        """Save the notebook and return its text."""
        self.command("docmanager:save")
        return (self.server.root / self.name).read_text(encoding="utf-8")

    def prompts(self):
        """Return ['[1]:', '[*]:', …]: the only dependable sign that a cell runs."""
        return self.page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()

    def bad_errors(self):
        return [e for e in self.errors if not any(known in e for known in KNOWN_ERRORS)]

    def _listen(self, socket):
        socket.on("framereceived", self._note)

    def _note(self, payload):
        self.frames.append(payload if isinstance(payload, bytes) else payload.encode())
