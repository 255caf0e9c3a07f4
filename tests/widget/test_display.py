"""The static tables, the style sheet, and what is shown where no page has our script."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
import types
from html.parser import HTMLParser

import pytest
from driven import until
from hypothesis import given
from hypothesis import strategies as st
from made import Watched

from asana_jobs_pd._vocabulary import DARK_THEME, LIGHT_THEME, STATE_STYLES, contrast
from asana_jobs_pd._widget import display as module
from asana_jobs_pd._widget.display import FRONT_END_VERSION, STATIC, Display, base_widget
from asana_jobs_pd._widget.rows import JobRow
from asana_jobs_pd._widget.static_table import static_table

NOW = 1_767_225_600_000_000
TAGS = {"table", "thead", "tbody", "tr", "th", "td", "a", "div", "p", "b", "code"}
ATTRIBUTES = {"class", "style", "href", "rel", "scope"}


class Seen(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, markup):
        super().__init__()
        self.tags, self.attributes, self.links = set(), set(), []
        self.feed(markup)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}
        self.links += [value for name, value in attributes if name == "href"]


NASTY = st.one_of(
    st.text(max_size=200),
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            "\"onmouseover='x'",
            "</td></table><img src=x onerror=alert(1)>",
            "javascript:alert(1)",
            "https://s3/x?X-Amz-Signature=abc",
            "\u202egnp.exe",
            "a\nb\x00c",
        ]
    ),
)
ROWS = st.lists(
    st.builds(
        JobRow,
        gid=st.integers(1, 10**18).map(str),
        state=NASTY | st.sampled_from(list(STATE_STYLES)),
        kind=NASTY,
        name=st.none() | NASTY,
        object_kind=st.sampled_from(["task", "project", "brief"]),
        object_gid=st.none() | st.just("77"),
        error=NASTY,
        note=NASTY,
        since=st.none() | st.integers(0, NOW),
        created=st.booleans(),
        ended=st.none() | st.integers(0, NOW),
    ),
    max_size=25,
    min_size=1,
)


@given(ROWS)
def test_static_tables_hold_no_markup_but_their_own(rows):
    """Whatever names, kinds and states are, tags, attributes and links are ours."""
    now = Watched("watching", counts={"<b>": 1, "succeeded": 2})
    markup, text = static_table(rows, now, NOW, "Do `<this>`.").values()
    seen = Seen(markup)
    assert seen.tags <= TAGS
    assert seen.attributes <= ATTRIBUTES
    assert set(seen.links) <= {
        "https://app.asana.com/0/0/77",
        "https://app.asana.com/0/77/list",
    }
    assert "X-Amz-Signature=abc" not in markup + text
    assert not re.search("[\u202e\x00]", markup + text)


def test_static_tables_say_of_when_they_are():
    """And how to get a live one; the first 25 rows are shown, the others counted."""
    rows = [JobRow(str(n), "in_progress") for n in range(30)]
    now = Watched("paused", counts={"in_progress": 30})
    for shown in static_table(rows, now, NOW, "Run this cell.", "Run this cell.").values():
        assert "30 in progress, Paused, as of 2026-01-01 00:00:00 UTC." in shown
        assert "Run this cell." in shown
        assert "… and 5 more" in shown
    done = Watched("done", dict.fromkeys("12"), {"succeeded": 2})
    assert "2 jobs: 2 succeeded, as of" in static_table([], done, NOW)["text/plain"]


def colors(theme):
    """Return the variables of the style sheet in a theme."""
    sheet = (STATIC / "jobs.css").read_text(encoding="utf-8")
    pairs = re.findall(r"--aj-(\w+): light-dark\((#\w{6}), (#\w{6})\)", sheet)
    return {name: (light, dark)[theme == "dark"] for name, light, dark in pairs}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_can_be_read(theme):
    """Texts and states have a contrast of 4.5:1 on every ground, edges of controls of 3:1."""
    color, shared = colors(theme), DARK_THEME if theme == "dark" else LIGHT_THEME
    states = {state: style.color(dark=theme == "dark") for state, style in STATE_STYLES.items()}
    assert color == {**color, **states, **shared}
    for ground in (color[name] for name in ("bg", "soft", "hover")):
        assert all(contrast(text, ground) >= 4.5 for text in states.values())
        assert all(contrast(color[name], ground) >= 4.5 for name in ("fg", "dim", "accent"))
        assert contrast(color["edge"], ground) >= 3
    assert contrast("#ffffff", color["primary"]) >= 4.5
    assert contrast("#ffffff", color["primary_hover"]) >= 4.5


def test_the_style_sheet_uses_what_it_defines():
    """And loads nothing from anywhere."""
    sheet = (STATIC / "jobs.css").read_text(encoding="utf-8")
    defined = {*colors("light"), "row-height", "rows"}
    assert set(re.findall(r"var\(--aj-([\w-]+)", sheet)) <= defined
    assert "url(" not in sheet
    assert "@import" not in sheet


SCRIPTS = [*STATIC.glob("*.js"), *(STATIC.parent / "nbextension").glob("*.js")]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_make_no_markup_and_load_nothing_else(path):
    """No text becomes markup or code, nothing is fetched; the wrappers import jobs.js alone."""
    script = path.read_text(encoding="utf-8")
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc|DOMParser|\beval\b"
        r"|new Function|\bfetch\b|XMLHttpRequest|WebSocket|sendBeacon|\brequire\(|\bfrom [\"']"
    )
    assert re.findall(forbidden, script) == []
    imports = re.findall(r"import\([^\n]*", script)
    assert all(line.startswith('import(new URL("./jobs.js", folder))') for line in imports)
    assert len(imports) == (path.name in ("remoteEntry.js", "index.js"))
    assert all(line.isprintable() for line in script.splitlines())


def test_one_version_of_the_front_end():
    """In the package's description for JupyterLab, in the script that registers it, in Python."""
    described = json.loads((STATIC / "package.json").read_text(encoding="utf-8"))
    assert described["version"] == FRONT_END_VERSION
    entry = (STATIC / "remoteEntry.js").read_text(encoding="utf-8")
    assert re.findall(r'version: "([\d.]+)"', entry) == [FRONT_END_VERSION]


class Shown:
    """A widget, and what became of its outputs."""

    def __init__(self, monkeypatch, cells=None):
        self.outputs, self.reopened, self.rows = [], 0, "rows"
        self.cells = cells or types.SimpleNamespace(busy=False)
        monkeypatch.setattr(module, "display", lambda data, **_: self._show(data))
        monkeypatch.setattr(Display, "_cells", self.cells)

    def _show(self, data):
        self.outputs.append(data)
        place = len(self.outputs) - 1
        return types.SimpleNamespace(update=lambda data, **_: self._update(place, data))

    def _update(self, place, data):
        self.outputs[place] = data

    def display(self, *, reopens=True):
        reopen = self.reopen if reopens else None
        return Display(self.widget_bundle, self.static_table, reopen)

    def static_table(self, hint=""):
        return {"text/html": f"<p>{self.rows}</p>", "text/plain": f"{self.rows} {hint}"}

    def widget_bundle(self):
        return {module.WIDGET_VIEW: {"model_id": "ours"}, **self.static_table()}, {}

    def reopen(self):
        self.reopened += 1

    def model_of(self, place):
        return self.outputs[place].get(module.WIDGET_VIEW, {}).get("model_id")


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(module, "HELLO_TIMEOUT", 0.1)


def test_a_page_with_our_script_keeps_the_widget(monkeypatch, impatient):
    """The page says hello in time."""
    shown = Shown(monkeypatch)
    display = shown.display()
    display.show()
    display.hello(1)
    until(lambda: not [t for t in threading.enumerate() if t.name == "asana-jobs-hello"])
    display.update()
    assert shown.model_of(0) == "ours"


def test_a_page_without_our_script_gets_a_plain_live_table(monkeypatch, impatient):
    """In every output, with what to install; a late hello brings the widget back."""
    shown = Shown(monkeypatch)
    display = shown.display()
    display.show()
    display.show()
    until(lambda: shown.model_of(0) is shown.model_of(1) is None)
    for output in shown.outputs:
        assert output["text/html"] == "<p>rows</p>"
        assert "`pip install asana_jobs_pd` in the environment" in output["text/plain"]
    shown.rows = "other rows"
    display.update()
    assert [output["text/html"] for output in shown.outputs] == ["<p>other rows</p>"] * 2
    display.hello(1)
    assert shown.model_of(0) == shown.model_of(1) == "ours"
    display.update()
    assert shown.model_of(0) == "ours"


def test_a_plain_table_goes_with_its_widget(monkeypatch, impatient):
    """Closed, it is no longer there to be taken for a live one."""
    shown = Shown(monkeypatch)
    display = shown.display()
    display.show()
    until(lambda: shown.model_of(0) is None)
    display.close()
    assert shown.outputs == [{"text/plain": ""}]


def test_colab_needs_anywidget(monkeypatch, impatient):
    """There, a Jupyter extension would not help."""
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("colab"))
    shown = Shown(monkeypatch)
    display = shown.display()
    display.show()
    until(lambda: shown.model_of(0) is None)
    assert "`%pip install anywidget`" in shown.outputs[0]["text/plain"]
    display.close()


def test_a_busy_kernel_cannot_hear_a_hello(monkeypatch, impatient):
    """So time while it is busy does not count."""
    cells = types.SimpleNamespace(busy=True)
    shown = Shown(monkeypatch, cells)
    display = shown.display()
    display.show()
    time.sleep(0.6)
    assert shown.model_of(0) == "ours"
    cells.busy = False
    until(lambda: shown.model_of(0) is None)
    display.close()


def test_a_deaf_page_gets_a_new_model(monkeypatch):
    """It repeats its hello although it was answered."""
    monkeypatch.setattr(module, "DEAF_TIMEOUT", 0.05)
    shown = Shown(monkeypatch)
    display = shown.display()
    display.show()
    display.hello("a")
    display.hello("a")
    assert shown.reopened == 0  # at once: the answer may be on its way
    time.sleep(0.1)
    display.hello("b")  # another page
    assert shown.reopened == 0
    time.sleep(0.1)
    display.hello("b")
    assert shown.reopened == 1
    assert shown.model_of(0) == "ours"


def test_a_slow_page_keeps_its_model(monkeypatch):
    """With our own extension no page is deaf: a repeated hello is one that waited."""
    monkeypatch.setattr(module, "DEAF_TIMEOUT", 0.0)
    shown = Shown(monkeypatch)
    display = shown.display(reopens=False)
    display.show()
    display.hello("a")
    shown.outputs[0] = "as it was"
    time.sleep(0.01)
    display.hello("a")
    assert shown.outputs == ["as it was"]


@pytest.mark.parametrize("host", ["google.colab", "marimo"])
def test_anywidget_sends_the_script_if_there_are_no_extensions(monkeypatch, host):
    """If it is installed."""
    assert base_widget().__name__ == "_OwnWidget"
    monkeypatch.setitem(sys.modules, host, types.ModuleType(host))
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    assert base_widget().__name__ == "_OwnWidget"
    anywidget = pytest.importorskip("anywidget")
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, host, types.ModuleType(host))
    assert issubclass(base_widget(), anywidget.AnyWidget)
