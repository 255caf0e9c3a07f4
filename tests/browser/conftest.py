"""Real front ends in a headless browser; without them the tests skip, or fail where asked to.

They take minutes, so they run when asked for: ``pytest -m browser``.

``ASANA_JOBS_BROWSER=required`` makes what is missing a failure. ``ASANA_JOBS_SHOTS=folder`` keeps
pictures of what was seen. ``CHROMIUM`` is the browser, where it is not on PATH.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import re
from pathlib import Path

import pytest
from browser.page import NotebookPage, browser_context, find_chromium
from browser.server import JupyterServer

FRONT_ENDS = ("lab-light", "lab-dark", "notebook-light")
NEEDED = ("playwright", "jupyterlab", "notebook", "nbconvert")
REQUIRED = os.environ.get("ASANA_JOBS_BROWSER") == "required"
if REQUIRED:
    for name in NEEDED:
        importlib.import_module(name)
FIRST = """\
import os, time
import asana_jobs_pd as aj
from asana_jobs_pd import JobsWidget
from asana_jobs_pd.testing import reset

for name in [name for name in os.environ if name.startswith("ASANA")]:
    del os.environ[name]
reset()
"""


def _connect(asana):
    return f"aj.connect({asana.token!r}, base_url={asana.base_url!r});"


SHOTS = os.environ.get("ASANA_JOBS_SHOTS")


def pytest_ignore_collect(config):
    """Import what needs a browser only when it is asked for: it takes a second."""
    return True if "not browser" in config.option.markexpr else None


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.filterwarnings("ignore"))  # Jupyter's own


def pytest_generate_tests(metafunc):
    if "server" in metafunc.fixturenames:
        marked = metafunc.definition.get_closest_marker("front_ends")
        ends = marked.args if marked else FRONT_ENDS
        metafunc.parametrize("server", ends, indirect=True, scope="session")


@pytest.fixture(scope="session")
def chromium():
    """The path of the browser, where all that is needed is installed."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    path = find_chromium()
    if path is None:
        missing.append("a Chromium ($CHROMIUM, or one on PATH)")
    if missing:
        why = f"not installed: {', '.join(missing)}"
        (pytest.fail if REQUIRED else pytest.skip)(why)
    return path


@pytest.fixture(scope="session")
def context(chromium):
    with browser_context(chromium) as made:
        yield made


@pytest.fixture(scope="session")
def server(request, chromium):
    kind, _, theme = request.param.partition("-")
    with JupyterServer(kind, theme) as running:
        yield running


@pytest.fixture
def shoot(request):
    """Keep a picture of the widget, or of the page, under a name."""

    def shoot(page, name, whole=False):
        if SHOTS:
            folder = Path(SHOTS)
            folder.mkdir(parents=True, exist_ok=True)
            case = re.sub(r"\W+", "-", request.node.name.removeprefix("test_")).strip("-")
            target = page if whole else page.locator(".aj").first
            target.screenshot(path=folder / f"{case}--{name}.png")

    return shoot


@pytest.fixture
def start_server(chromium):
    """Start a server of one's own, with options: start_server(kind, theme, …)."""
    with contextlib.ExitStack() as stack:
        yield lambda *given, **options: stack.enter_context(JupyterServer(*given, **options))


@pytest.fixture
def open_page(context, asana):
    """Open a notebook in a page of its own: open_page(server, name, *cells)."""
    pages = []

    def open_page(server, name, *cells):
        if cells:
            server.write(name, FIRST + _connect(asana), *cells)
        note = NotebookPage(context, server, name)
        pages.append(note)
        return note.open()

    yield open_page
    for note in pages:
        note.page.close()


@pytest.fixture(scope="session")
def opened(server, context):
    """A notebook with its kernel, which the tests of a front end share."""
    name = f"{server.kind}-{server.theme}.ipynb"
    server.write(name, "")
    return NotebookPage(context, server, name).open()


@pytest.fixture
def notebook(opened, request, asana):
    """Begin anew with these cells, connected to the sandbox: notebook(*cells)."""

    def make(*cells, connect=True):
        return opened.begin(FIRST + (_connect(asana) if connect else ""), *cells)

    opened.page.bring_to_front()
    yield make
    if getattr(request.node, "failed", False) and SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        name = re.sub(r"\W+", "-", request.node.name)
        opened.page.screenshot(path=Path(SHOTS) / f"FAILED-{name}.png")
    opened.end()
    assert not opened.bad_errors()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        item.failed = True
    return report
