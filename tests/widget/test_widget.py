"""The widget in a kernel without a front end: its traits, its threads, what it sends."""

from __future__ import annotations

import gc
import logging
import threading
import time
import tracemalloc

import pandas as pd
import pytest
import traitlets
from conftest import TOKEN
from driven import until
from ipywidgets.widgets.widget import _instances

import asana_jobs_pd as aj
from asana_jobs_pd._monitor.notebook_cell import Cells
from asana_jobs_pd._widget import controls as ticker
from asana_jobs_pd._widget import widget as module
from asana_jobs_pd.errors import InvalidFrameError, InvalidGidError, InvalidOptionError

EXPORTS = ("graph_export_request", "export_request")


def table(widget):
    return widget._controls.table.value


def head(widget):
    return widget._controls.head.value


def known(widget, state, count):
    """Return when the widget knows that so many jobs are in a state."""
    until(lambda: sum(row.state == state for row in list(widget._list.rows.values())) == count)


@pytest.fixture
def quiet(monkeypatch):
    """No thread draws: the test does."""
    monkeypatch.setattr(ticker.Ticker, "wake", lambda self: None)


@pytest.fixture
def exports(asana):
    """Four exports that are ready, and a task."""
    gids = [*asana.gids(2, EXPORTS[0]), *asana.gids(2, EXPORTS[1]), *asana.gids(1)]
    asana.finish(*gids)
    return gids


def test_it_shows_jobs_and_ends_with_them(asana, show):
    """From the first look until all are finished; then its threads are gone."""
    gids = asana.gids(3)
    for gid in gids:
        asana.progress(gid)
    widget = show(gids)
    until(lambda: table(widget).count("in progress") == 3)
    asana.finish(*gids)
    widget._controls.refresh.click()
    until(lambda: "All succeeded" in head(widget))
    until(lambda: table(widget).count("succeeded</td>") == 3)
    assert list(widget.jobs["status"]) == ["succeeded"] * 3
    until(lambda: not [t for t in threading.enumerate() if t.name == "asana-jobs-draw"])
    assert repr(widget) == "<JobsWidget of 3 jobs, done: 3 succeeded>"


def test_the_accessor_watches(asana, client):
    """``jobs.asana.watch()`` is the same, with the frame's own columns and order."""
    jobs = aj.read_asana_jobs(asana.gids(3), client=client).assign(mine=1)
    widget = jobs.asana.watch(client=client, dest="x")
    try:
        assert isinstance(widget, aj.JobsWidget)
        assert list(widget.jobs["mine"]) == [1, 1, 1]
        assert widget._controls.folder.value == "x"
    finally:
        widget.close()
    with pytest.raises(InvalidFrameError):
        pd.DataFrame({"x": [1]}).asana.watch()


@pytest.mark.parametrize(
    ("jobs", "options", "error"),
    [
        (["x"], {}, InvalidGidError),
        (["1"], {"dest": ""}, InvalidOptionError),
        (["1"], {"dest": "s3://bucket/x"}, InvalidOptionError),
        (["1"], {"client": "token"}, InvalidOptionError),
    ],
)
def test_what_cannot_be_is_refused(jobs, options, error):
    """Before anything is sent, and nothing is left of it."""
    before = len(_instances)
    with pytest.raises(error):
        aj.JobsWidget(jobs, **options)
    gc.collect()
    assert len(_instances) <= before + 2


def test_selected_follows_the_boxes(exports, show, quiet):
    """A box chooses a row; the one above all of the page; observers hear of it."""
    widget = show(exports)
    known(widget, "succeeded", 5)
    widget._draw()
    heard = []
    widget.observe(lambda change: heard.append(list(change.new["gid"])), "selected")
    controls = widget._controls
    assert [check.disabled for check in controls.checks[:5]] == [False] * 4 + [True]
    controls.checks[2].value = True
    controls.checks[0].value = True
    assert heard == [[exports[2]], [exports[0], exports[2]]]
    assert controls.download.description == "Download exports (2)"
    controls.all.value = True
    assert list(widget.selected["gid"]) == exports[:4]
    controls.checks[1].value = False
    assert list(widget.selected["gid"]) == [exports[0], *exports[2:4]]
    assert not controls.all.value
    assert len(heard) == 4
    with pytest.raises(traitlets.TraitError):
        widget.selected = widget.jobs


def test_boxes_stay_with_their_jobs(exports, show, quiet):
    """Sorting and paging move the ticks along."""
    widget = show(exports)
    known(widget, "succeeded", 5)
    widget._draw()
    widget._controls.checks[0].value = True
    for _ in range(2):
        widget._controls.heads["gid"].click()
    ticked = [check.description for check in widget._controls.checks if check.value]
    assert ticked == [f"Select graph export {exports[0]}"]
    assert list(widget.selected["gid"]) == exports[:1]
    widget._controls.heads["gid"].click()
    assert widget._list.query.column is None
    widget._controls.filter.value = "resource"
    assert not any(check.value for check in widget._controls.checks)
    assert "1–2 of 2" in widget._controls.pages.value


def test_pages(asana, show, quiet):
    """25 rows each, forwards and back; a filter begins at the first."""
    gids = asana.gids(60)
    asana.finish(*gids)
    widget = show(gids)
    known(widget, "succeeded", 60)
    widget._draw()
    controls = widget._controls
    assert (controls.previous.disabled, controls.next.disabled) == (True, False)
    controls.next.click()
    controls.next.click()
    assert "51–60 of 60" in controls.pages.value
    assert sum("aj-gone" not in check._dom_classes for check in controls.checks) == 10
    assert controls.next.disabled
    controls.previous.click()
    assert "26–50" in controls.pages.value
    controls.state.value = "ready"
    assert controls.pages.value.startswith("<span>1–")


def test_nothing_is_sent_when_nothing_changed(asana, show, driven, quiet, wire):
    """Ticks go by, and not a byte goes out until a job changes; then few do."""
    now = [time.time()]
    gids = asana.gids(60)
    for gid in gids:
        asana.progress(gid)
    monitor, clock = driven(gids)
    widget = show(monitor, now=lambda: now[0])
    known(widget, "in_progress", 60)
    monitor.pause()
    clock.settle(lambda: not monitor._poller.workers.in_flight)
    widget._tick()
    wire.clear()
    for _ in range(50):
        now[0] += 1
        widget._tick()
    assert wire == []
    monitor.resume()
    asana.finish(gids[0])
    monitor.refresh_now()
    known(widget, "succeeded", 1)
    clock.settle(lambda: not monitor._poller.workers.in_flight)
    widget._tick()
    assert 0 < wire.size < 20_000
    assert "succeeded" in wire.text()


def test_a_check_without_news_costs_a_few_hundred_bytes(asana, show, driven, quiet, wire):
    """It tells when the next one is; between them the browser counts down by itself."""
    now = [time.time()]
    [gid] = asana.gids(1)
    asana.progress(gid)
    monitor, clock = driven([gid])
    widget = show(monitor, now=lambda: now[0])
    known(widget, "in_progress", 1)

    def go(seconds):
        for _ in range(seconds):
            now[0] += 1
            clock.advance(1)
            clock.settle(lambda: not monitor._poller.workers.in_flight)
            widget._tick()

    go(20)
    wire.clear()
    checks = asana.stats.requests
    go(35)
    checks = asana.stats.requests - checks
    assert checks >= 3
    assert len(wire) <= checks
    assert wire.size <= 800 * checks


def test_ages_are_told_anew_once_a_minute(asana, show, quiet, wire):
    """While somebody watches: it is the one thing in the table that time alone changes."""
    now = [time.time()]
    [gid] = asana.gids(1)
    asana.progress(gid)
    widget = show([gid], now=lambda: now[0])
    known(widget, "in_progress", 1)
    widget._tick()
    assert "just now" in table(widget)
    now[0] += 59
    widget._tick()
    assert "just now" in table(widget)
    now[0] += 2
    widget._tick()
    assert "1 min" in table(widget)


@pytest.mark.slow
def test_an_hour_of_ticks_leaves_memory_flat(asana, show, driven, quiet):
    """3,600 ticks, a second each, with checks at their times: nothing piles up."""
    now = [time.time()]
    gids = asana.gids(3)
    for gid in gids:
        asana.progress(gid)
    monitor, clock = driven(gids)
    widget = show(monitor, now=lambda: now[0])
    known(widget, "in_progress", 3)

    def ticks(count):
        for tick in range(count):
            now[0] += 1
            clock.advance(1)
            widget._tick()
            if tick % 600 == 0:
                clock.settle(lambda: not monitor._poller.workers.in_flight)
        gc.collect()
        of_ours = [tracemalloc.Filter(True, f"*{part}*") for part in ("_widget", "traitlets")]
        of_ours.append(tracemalloc.Filter(True, "*ipywidgets*"))
        taken = tracemalloc.take_snapshot().filter_traces(of_ours)
        return sum(statistic.size for statistic in taken.statistics("filename"))

    tracemalloc.start()
    try:
        before, objects = ticks(600), len(_instances)
        after = ticks(3000)
    finally:
        tracemalloc.stop()
    assert abs(after - before) < 50_000
    assert len(_instances) == objects


def test_ten_thousand_jobs_are_there_at_once(show, asana, wire, monkeypatch):
    """The widget is made in well under a second of its own, and one page goes out."""
    gids = [str(12 * 10**14 + n) for n in range(10_000)]
    jobs = pd.DataFrame({"gid": gids, "status": "failed", "fetched_at": pd.Timestamp.now("UTC")})
    start = time.process_time()
    widget = show(jobs)
    widget._repr_mimebundle_()
    assert time.process_time() - start < 10  # ten times what it takes
    assert wire.size < 120_000
    assert "1–25 of 10,000" in widget._controls.pages.value


def test_no_secret_is_in_the_state(exports, show, state_of_all, tmp_path, wire):
    """Neither the token nor a signed URL, in anything that is sent, saved or shown."""
    widget = show(exports, dest=tmp_path)
    until(lambda: not widget.monitor.running)
    widget._controls.download.click()
    until(lambda: widget.files is not None)
    assert widget.jobs.filter(like="download_url").notna().any(axis=None)
    bundle = widget._repr_mimebundle_()
    seen = state_of_all() + wire.text() + str(bundle) + repr(widget)
    for secret in (TOKEN, "X-Amz-", "Signature"):
        assert secret not in seen


def test_static_tables(exports, show):
    """A view for those that can, HTML and text for the others."""
    widget = show(exports)
    until(lambda: not widget.monitor.running)
    bundle = widget._repr_mimebundle_()
    assert set(bundle) == {
        "application/vnd.jupyter.widget-view+json",
        "text/html",
        "text/plain",
    }
    assert bundle["text/html"].count("<tr>") == 6
    assert "5 jobs: 5 succeeded" in bundle["text/plain"]


def test_in_a_terminal_it_says_how_to_watch(asana, show):
    """There, nothing draws it: a snapshot, with what to run; nothing is said at the end."""
    [gid] = asana.gids(1)
    asana.progress(gid)
    widget = show([gid])
    for text in (repr(widget), widget._repr_mimebundle_()["text/plain"]):
        assert "asana-jobs watch" in text
    asana.finish(gid)
    widget.monitor.refresh_now()
    until(lambda: not widget.monitor.running)
    assert "asana-jobs watch" not in repr(widget)


def test_a_typed_url_is_refused(exports, show, tmp_path, monkeypatch):
    """In words, in the panel; no folder of that name is created."""
    monkeypatch.chdir(tmp_path)
    widget = show(exports)
    until(lambda: not widget.monitor.running and "Download exports (4)" in _label(widget))
    widget._controls.folder.value = "s3://bucket/exports"
    widget._controls.download.click()
    until(lambda: "is a URL" in widget._controls.panel.children[-2].value)
    assert list(tmp_path.iterdir()) == []


def test_no_token_is_a_state(show, wire, asana, monkeypatch):
    """The widget says what to do; with a token, Try again goes on."""
    [gid] = asana.gids(1)
    asana.finish(gid)
    monkeypatch.setattr("asana_jobs_pd._http.auth.keyring_token", lambda: None)
    monkeypatch.setattr(
        "asana_jobs_pd._http.auth.prompt_token", lambda: pytest.fail("nobody is asked")
    )
    widget = show([gid], client=None)
    assert "No token" in head(widget)
    assert "ASANA_ACCESS_TOKEN" in widget._controls.notice.value
    assert widget._controls.refresh.description == "Try again"
    for name, value in asana.environ.items():
        monkeypatch.setenv(name, value)
    widget._controls.refresh.click()
    until(lambda: "All succeeded" in head(widget))


def test_pause_and_resume(asana, show):
    """The button stops the asking, and says what it will do next."""
    [gid] = asana.gids(1)
    asana.progress(gid)
    widget = show([gid])
    until(lambda: "1 in progress" in head(widget))
    widget._controls.pause.click()
    assert "Paused" in head(widget)
    assert widget._controls.pause.description == "Resume"
    widget._controls.pause.click()
    assert "Paused" not in head(widget)


def test_downloads(exports, show, tmp_path, wire):
    """All that is ready, or what is chosen; the frame of files is a trait."""
    widget = show(exports, dest=tmp_path / "a")
    until(lambda: not widget.monitor.running and "Download exports (4)" in _label(widget))
    widget._controls.download.click()
    until(lambda: widget.files is not None and not widget._downloads.downloading)
    assert widget.files["file.path"].notna().all()
    assert len(widget.files) == 4
    panel = widget._controls.panel
    assert "4 files verified" in panel.children[-2].value
    assert len(panel.children[-1].outputs) == 4
    widget._controls.folder.value = str(tmp_path / "b")
    widget._controls.checks[1].value = True
    until(lambda: "Download exports (1)" in _label(widget))
    widget._controls.download.click()
    until(lambda: len(widget.files) == 1)
    assert [path.parent.name for path in tmp_path.glob("b/*")] == ["b"]


def _label(widget):
    return widget._controls.download.description


def test_a_click_may_overtake_the_ticks_before_it(exports, show, tmp_path):
    """As it does where clicks and changes are handled by different threads."""
    widget = show(exports)
    until(lambda: not widget.monitor.running and "Download exports (4)" in _label(widget))
    widget._controls.download.click()
    widget._controls.checks[1].value = True
    widget._controls.folder.value = str(tmp_path)
    until(lambda: widget.files is not None)
    assert list(widget.files["gid"]) == [exports[1]]
    assert [path.name for path in tmp_path.iterdir()] == [f"{exports[1]}-graph.jsonl.gz"]


def test_a_download_without_a_token_says_so(show, wire, tmp_path, monkeypatch):
    """A frame that was read long ago may be all that there is."""
    monkeypatch.setattr("asana_jobs_pd._http.auth.keyring_token", lambda: None)
    read = {"fetched_at": pd.Timestamp.now("UTC"), "status": "succeeded"}
    jobs = pd.DataFrame({"gid": ["1"], **read, "new_graph_export.gid": "5"})
    widget = show(jobs, client=None, dest=tmp_path)
    widget._controls.download.click()
    said = widget._controls.panel.children[-2]
    until(lambda: "ASANA_ACCESS_TOKEN" in said.value)


def test_a_download_that_fails_says_why(asana, show, tmp_path):
    """A file that is gone, and a folder that cannot be."""
    [gid] = asana.gids(1, EXPORTS[0])
    asana.finish(gid)
    widget = show([gid], dest=tmp_path)
    until(lambda: "Download exports (1)" in _label(widget) and not widget.monitor.running)
    asana.expire_export(gid)
    widget._controls.folder.value = "a\0b"
    widget._controls.download.click()
    said = widget._controls.panel.children[-2]
    until(lambda: "give the path of a folder" in said.value)
    until(lambda: not widget._downloads.downloading)
    widget._controls.folder.value = str(tmp_path)
    widget._controls.download.click()
    until(lambda: "the file is gone" in said.value)
    assert "30 days" in said.value


def test_cancel(asana, show, tmp_path):
    """Ends it at once, and says so."""
    [gid] = asana.gids(1, EXPORTS[0])
    asana.finish(gid)
    asana.fault("slow", where="exports", seconds=60)
    widget = show([gid], dest=tmp_path)
    until(lambda: "Download exports (1)" in _label(widget) and not widget.monitor.running)
    widget._controls.download.click()
    until(lambda: len(widget._controls.panel.children) == 4)
    widget._controls.cancel.click()
    until(lambda: not widget._downloads.downloading)
    assert "Cancelled" in widget._controls.panel.children[-2].value


def test_load(exports, show, tmp_path):
    """The frames of the files are in ``data``, and observers hear of them."""
    widget = show(exports, dest=tmp_path)
    until(lambda: not widget.monitor.running and "Download exports (4)" in _label(widget))
    widget._controls.download.click()
    until(lambda: widget.files is not None and not widget._downloads.downloading)
    heard = []
    widget.observe(lambda change: heard.append(change.new), "data")
    widget._controls.load.click()
    until(lambda: heard and not widget._downloads.loading)
    assert len(widget.data["task"]) > 0
    assert " task rows" in widget._controls.panel.children[-2].value
    (tmp_path / f"{exports[0]}-graph.jsonl.gz").write_bytes(b"not gzip")
    widget._controls.load.click()
    until(lambda: "aj-bad" in widget._controls.panel.children[-2].value)


def test_jobs_can_be_observed(asana, show):
    """Whoever observes gets the frame with each change."""
    [gid] = asana.gids(1)
    asana.progress(gid)
    widget = show([gid])
    until(lambda: "1 in progress" in head(widget))
    heard = []
    widget.observe(lambda change: heard.append(list(change.new["status"])), "jobs")
    asana.finish(gid)
    widget._controls.refresh.click()
    until(lambda: heard)
    assert heard == [["succeeded"]]
    with pytest.raises(traitlets.TraitError):
        widget.jobs = widget.jobs


def test_closing_ends_everything(exports, show, asana, tmp_path):
    """Monitor, downloads and threads; no widget is left in the registry. Twice is no harm."""
    gids = [*exports, *asana.gids(1, start=20)]
    asana.progress(gids[-1])
    asana.fault("slow", where="exports", seconds=60, times=9)
    before = len(_instances)
    widget = show(gids, dest=tmp_path)
    until(lambda: "Download exports (4)" in _label(widget))
    widget._controls.download.click()
    until(lambda: widget._downloads.downloading)
    widget.close()
    widget.close()
    assert widget.monitor.state == "stopped"
    until(lambda: not widget._downloads.downloading)
    until(lambda: len(_instances) == before)


def test_two_widgets_on_the_same_jobs(asana, driven, show):
    """With a monitor of their own they ask each; one monitor serves both, and outlives them."""
    [gid] = asana.gids(1)
    asana.progress(gid)
    monitor, _ = driven([gid])
    one, two = show(monitor), show(monitor)
    until(lambda: "1 in progress" in head(one) and "1 in progress" in head(two))
    one.close()
    assert monitor.running
    asana.finish(gid)
    monitor.refresh_now()
    until(lambda: "All succeeded" in head(two))


def test_a_cell_that_runs_again_closes_what_it_left(asana, show, monkeypatch):
    """So no monitor leaks."""
    cells = Cells(aj.JobsWidget.close)
    monkeypatch.setattr(module, "_cells", cells)
    runs = iter([("cell", 1), ("cell", 2), ("other", 3)])
    monkeypatch.setattr(module, "current_cell", lambda: next(runs))
    [gid] = asana.gids(1)
    asana.progress(gid)
    one, two, three = (show([gid]) for _ in range(3))
    assert one.monitor.state == "stopped"
    assert one._closed
    assert not two._closed
    assert not three._closed


def test_clicks_from_many_threads(asana, show):
    """Handlers may run in any thread, while the monitor tells of changes."""
    gids = asana.gids(60)
    widget = show(gids)
    controls = widget._controls
    failed = []

    def click(button):
        try:
            for _ in range(15):
                button.click()
        except Exception as error:  # noqa: BLE001
            failed.append(error)

    buttons = [*controls.heads.values(), controls.next, controls.refresh, controls.pause]
    threads = [threading.Thread(target=click, args=(button,)) for button in buttons]
    for thread in threads:
        thread.start()
    asana.finish(*gids)
    for thread in threads:
        thread.join()
    assert not failed
    if widget.monitor.state == "paused":
        controls.pause.click()
    controls.refresh.click()
    until(lambda: ">All " in head(widget))  # succeeded, or finished


def test_a_drawing_that_fails_is_logged_and_tried_again(asana, show, monkeypatch, caplog):
    """An error in the thread that draws must not freeze the widget."""
    [gid] = asana.gids(1)
    asana.progress(gid)
    widget = show([gid])
    until(lambda: "1 in progress" in head(widget))
    real, calls = module.draw_status, []

    def draw_status(*arguments):
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("no")
        real(*arguments)

    monkeypatch.setattr(module, "draw_status", draw_status)
    asana.finish(gid)
    with caplog.at_level(logging.ERROR, "asana_jobs_pd"):
        widget.monitor.refresh_now()
        until(lambda: "All succeeded" in head(widget))
    assert "could not be drawn" in caplog.text
