"""The widget in a kernel without a page: its traits, its messages, its threads."""

from __future__ import annotations

import gc
import json
import logging
import threading
import time
import tracemalloc

import ipywidgets
import pandas as pd
import pytest
import traitlets
from conftest import TOKEN
from driven import until
from ipywidgets import Widget

import asana_jobs_pd as aj
from asana_jobs_pd._monitor.notebook_cells import Cells
from asana_jobs_pd._widget import widget as module
from asana_jobs_pd._widget.ticker import Ticker
from asana_jobs_pd.errors import InvalidFrameError, InvalidGidError, InvalidOptionError

EXPORTS = ("graph_export_request", "export_request")


def open_widgets():
    """Return the registry of ipywidgets, under the name it has in this version."""
    registry = getattr(ipywidgets.widgets.widget, "_instances", None)
    return Widget.widgets if registry is None else registry


def states(widget):
    """Return the states of the rows that the page would get now, by gid."""
    message = widget.get_state(["_rows"])["_rows"]
    return {gid: message["looks"][look][0] for gid, look, *_ in message["rows"]}


def known(widget, state, count):
    """Return when the page knows that so many jobs are in a state."""
    until(lambda: list(states(widget).values()).count(state) == count)


def all_succeeded(widget):
    """Return when the page knows that all jobs succeeded; rows may come after the title."""
    until(lambda: widget._status["title"] == "All succeeded")
    until(lambda: set(states(widget).values()) == {"succeeded"})


def send(widget, kind, **details):
    """Do what a click on the page does."""
    widget._handle_custom_msg({"kind": kind, "id": "1", **details}, [])


def said(widget):
    """Return the messages below the table."""
    return " ".join(text for _, text in widget._transfer["messages"])


def customs(wire, kind):
    """Return the messages of a kind that have been sent to the page."""
    messages = [json.loads(text)[1] for text in wire]
    contents = [(message or {}).get("content") for message in messages]
    return [content for content in contents if content and content["kind"] == kind]


@pytest.fixture
def quiet(monkeypatch):
    """Let the test send instead of the thread."""
    monkeypatch.setattr(Ticker, "wake", lambda self: None)


@pytest.fixture
def exports(asana):
    """Four exports that are ready, and a task."""
    gids = [*asana.gids(2, EXPORTS[0]), *asana.gids(2, EXPORTS[1]), *asana.gids(1)]
    asana.finish(*gids)
    return gids


@pytest.fixture
def ready(exports, show, tmp_path):
    """A widget whose jobs have all been read; its monitor has ended."""
    widget = show(exports, dest=tmp_path)
    all_succeeded(widget)
    return widget


def test_it_follows_jobs_and_ends_with_them(asana, show):
    """From the first poll until all are finished; then its threads end."""
    gids = asana.gids(3)
    for gid in gids:
        asana.progress(gid)
    widget = show(gids)
    known(widget, "in_progress", 3)
    asana.finish(*gids)
    send(widget, "refresh")
    known(widget, "succeeded", 3)
    all_succeeded(widget)
    assert list(widget.jobs["status"]) == ["succeeded"] * 3
    until(lambda: not [t for t in threading.enumerate() if t.name == "asana-jobs-send"])
    assert repr(widget) == "<JobsWidget of 3 jobs, done: 3 succeeded>"


def test_the_accessor_watches(asana, client):
    """``jobs.asana.watch()`` is the same, with the frame's own columns and order."""
    jobs = aj.read_asana_jobs(asana.gids(3), client=client).assign(mine=1)
    widget = jobs.asana.watch(client=client, dest="x")
    try:
        assert isinstance(widget, aj.JobsWidget)
        assert list(widget.jobs["mine"]) == [1, 1, 1]
        assert widget._dest == "x"
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
def test_invalid_arguments_are_refused(jobs, options, error):
    """Before any request, and nothing is left of the widget."""
    before = len(open_widgets())
    with pytest.raises(error):
        aj.JobsWidget(jobs, **options)
    gc.collect()
    assert len(open_widgets()) <= before + 2


def test_selected_follows_the_page(exports, ready):
    """Observers hear of it; rows without a file and unknown gids are never selected."""
    heard = []
    ready.observe(lambda change: heard.append(list(change.new["gid"])), "selected")
    ready.set_state({"_selected": [exports[2]]})
    ready.set_state({"_selected": [exports[2], exports[0], exports[0], exports[4], "1", 7, None]})
    assert heard == [[exports[2]], [exports[0], exports[2]]]
    assert ready._selected == [exports[2], exports[0]]
    ready.set_state({"_selected": []})
    assert len(ready.selected) == 0
    with pytest.raises(traitlets.TraitError):
        ready.selected = ready.jobs


def test_a_page_sets_the_selection_and_the_folder_only(ready):
    """Anything else that it sends changes nothing."""
    before = {**ready.get_state(), "_rows": None}
    for state in (
        {"_status": {"title": "Hacked"}},
        {"_rows": {"rows": []}},
        {"_transfer": {"busy": "loading"}},
        {"_view_name": "Other"},
        {"_selected": "12"},
        {"_selected": {"a": 1}},
        {"_dest": 7},
        {"_dest": "x" * 5000},
    ):
        ready.set_state(state)
        assert {**ready.get_state(), "_rows": None} == before, state
    ready.set_state({"_dest": "elsewhere/"})
    assert ready._dest == "elsewhere/"


def test_invalid_commands_do_nothing(exports, ready):
    """Whatever a page sends, nothing is written and no thread is started."""
    for message in (
        None,
        7,
        "refresh",
        [],
        {},
        {"kind": "close"},
        {"kind": ["refresh"]},
        {"kind": "download"},
        {"kind": "download", "gids": "all", "dest": "x"},
        {"kind": "download", "gids": ["1"], "dest": "x"},
        {"kind": "download", "gids": [], "dest": "x"},
        {"kind": "download", "gids": [{}], "dest": "x"},
        {"kind": "download", "gids": exports[:1], "dest": None},
        {"kind": "download", "gids": exports[:1], "dest": 7},
        {"kind": "download", "gids": exports[:1], "dest": "x" * 5000},
        {"kind": "load", "id": {"a": 1}},
        {"kind": "hello", "series": {"a": 1}},
    ):
        ready._handle_custom_msg(message, [])
        assert ready._transfer["busy"] == "", message
        assert ready.files is None, message


def test_commands_are_answered(ready, wire):
    """With the kernel's time, and the version of the rows, so that the page notices a gap."""
    wire.clear()
    send(ready, "hello", series=0.5)
    [answer] = customs(wire, "answer")
    assert (answer["id"], answer["version"]) == ("1", ready._table.version)
    assert abs(answer["now"] - time.time()) < 60
    wire.clear()
    send(ready, "all_rows")
    assert '"_rows"' in wire.text()


def test_versions_have_no_gap(asana, show, driven, quiet, wire):
    """Each message of changed rows has the next; all rows together have the latest."""
    gids = asana.gids(3)
    for gid in gids:
        asana.progress(gid)
    monitor, _ = driven(gids)
    widget = show(monitor)
    known(widget, "in_progress", 3)
    wire.clear()
    for place, gid in enumerate(gids, 1):
        asana.finish(gid)
        monitor.refresh_now()
        known(widget, "succeeded", place)
        widget._tick()
    messages = customs(wire, "rows")
    versions = [message["version"] for message in messages]
    assert versions == list(range(versions[0], versions[0] + 3))
    assert [gids[-1]] == [row[0] for row in messages[-1]["rows"]]
    assert widget.get_state(["_rows"])["_rows"]["version"] == versions[-1]


@pytest.fixture
def paused(asana, show, driven, quiet, wire):
    """Make a paused widget of so many jobs in progress, and what lets seconds go by; nothing is
    left to be sent.
    """

    def make(count):
        now = [time.time()]
        gids = asana.gids(count)
        for gid in gids:
            asana.progress(gid)
        monitor, clock = driven(gids)
        widget = show(monitor, now=lambda: now[0])
        known(widget, "in_progress", count)
        monitor.pause()
        settled_tick(widget, clock)
        wire.clear()

        def go(seconds):
            for _ in range(seconds):
                now[0] += 1
                widget._tick()

        return widget, clock, go

    return make


def settled_tick(widget, clock):
    """Send what has changed once no request is under way."""
    clock.settle(lambda: not widget.monitor._poller.in_flight)
    widget._tick()


def test_nothing_is_sent_when_nothing_changed(asana, paused, wire):
    """Ticks go by, and not a byte goes out until a job changes; then few do."""
    widget, clock, go = paused(60)
    go(9)
    assert wire == []
    asana.finish(asana.gids(60)[0])
    widget.monitor.refresh_now()
    known(widget, "succeeded", 1)
    settled_tick(widget, clock)
    [message] = customs(wire, "rows")
    assert len(message["rows"]) == 1
    assert len(json.dumps(message)) < 1000


def test_a_sign_of_life_while_jobs_are_watched(paused, wire):
    """Every ten seconds without other messages, so that the page knows the kernel is there."""
    _, _, go = paused(1)
    go(35)
    assert len(wire) == len(customs(wire, "alive")) == 3


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
            settled_tick(widget, clock)

    go(20)
    wire.clear()
    checks = asana.stats.requests
    go(35)
    checks = asana.stats.requests - checks
    assert checks >= 3
    assert len(wire) - len(customs(wire, "alive")) <= 2 * checks  # while it is asked, and then
    assert wire.size <= 800 * checks


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
                clock.settle(lambda: not monitor._poller.in_flight)
        gc.collect()
        of_ours = [tracemalloc.Filter(True, f"*{part}*") for part in ("_widget", "traitlets")]
        of_ours.append(tracemalloc.Filter(True, "*ipywidgets*"))
        taken = tracemalloc.take_snapshot().filter_traces(of_ours)
        return sum(statistic.size for statistic in taken.statistics("filename"))

    tracemalloc.start()
    try:
        before, objects = ticks(600), len(open_widgets())
        after = ticks(3000)
    finally:
        tracemalloc.stop()
    assert abs(after - before) < 50_000
    assert len(open_widgets()) == objects


def test_ten_thousand_jobs_are_there_at_once(show, wire):
    """All rows go out in one message of 600 kB; the longest names follow in others."""
    gids = [str(12 * 10**14 + n) for n in range(10_000)]
    jobs = pd.DataFrame({"gid": gids, "status": "succeeded"})
    jobs["fetched_at"] = pd.Timestamp.now("UTC")
    jobs["new_task.gid"], jobs["new_task.name"] = gids, [f"{gid} Ä long näme" * 4 for gid in gids]
    start = time.process_time()
    widget = show(jobs)
    widget._repr_mimebundle_()
    assert time.process_time() - start < 10  # ten times what it takes
    [table] = [json.loads(text)[1]["state"] for text in wire if '"_rows"' in text]
    rows = table["_rows"]["rows"]
    assert len(rows) == 10_000
    until(lambda: not [t for t in threading.enumerate() if t.name == "asana-jobs-send"])
    assert max(map(len, wire)) < 600_000
    for message in customs(wire, "rows"):
        rows += message["rows"]
    assert {row[0] for row in rows if len(row) > 4} == set(gids)


def usual(widget):
    """Return what the page would get of how long the jobs usually take, by gid."""
    rows = widget.get_state(["_rows"])["_rows"]["rows"]
    return {row[0]: row[6] for row in rows if len(row) > 6}


def test_unfinished_jobs_say_how_long_they_usually_take(
    asana, client, show, wire, tmp_path, monkeypatch
):
    """By earlier ones that the ledger knows: at once if they have been read, else later."""
    monkeypatch.setenv("ASANA_JOBS_LEDGER", str(tmp_path / "ledger.sqlite3"))
    (parent,) = asana.parents(1)
    first = aj.export_graph(parent, client=client)
    asana.advance(3600)
    first.asana.refresh(client=client)
    jobs = aj.export_graph(parent, client=client)
    (gid,) = jobs["gid"]
    widget = show(jobs)
    assert usual(widget)[gid].endswith("(1 run)")
    assert "(1 run)" in widget._static_table()["text/html"]
    unread = show([gid, *first["gid"]])
    until(lambda: "(1 run)" in wire.text() and usual(unread).keys() == {gid})
    asana.finish(gid)
    send(widget, "refresh")
    known(widget, "succeeded", 1)
    assert usual(widget) == {}


def test_no_secret_is_in_the_state(exports, ready, state_of_all, wire):
    """Neither the token nor a signed URL, in anything that is sent, saved or shown."""
    send(ready, "download", gids=exports[:4], dest=ready._dest)
    until(lambda: ready.files is not None)
    assert ready.jobs.filter(like="download_url").notna().any(axis=None)
    seen = state_of_all() + wire.text() + str(ready._repr_mimebundle_()) + repr(ready)
    for secret in (TOKEN, "X-Amz-", "Signature"):
        assert secret not in seen


def test_static_tables(ready):
    """A view for those that can, HTML and text for the others."""
    bundle = ready._repr_mimebundle_()
    assert set(bundle) == {
        "application/vnd.jupyter.widget-view+json",
        "text/html",
        "text/plain",
    }
    assert bundle["text/html"].count("<tr>") == 6
    assert "5 jobs: 5 succeeded, as of 20" in bundle["text/plain"]
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == ready.model_id


def test_static_tables_wait_briefly_for_the_first_answers(asana, show):
    """So they are right when the cell returns, and say how to get a live one."""
    gids = asana.gids(3)
    for gid in gids:
        asana.progress(gid)
    text = show(gids)._repr_mimebundle_()["text/html"]
    assert text.count("● in progress") == 3
    assert "For a live table, run this cell in Jupyter." in text


def test_they_do_not_wait_for_long(asana, show, monkeypatch):
    """If Asana does not respond, a cell is delayed by a second at most."""
    monkeypatch.setattr(module, "FIRST_ANSWERS_TIMEOUT", 0.1)
    gids = asana.gids(1)
    asana.fault("slow", seconds=20)
    assert "? unknown" in show(gids)._repr_mimebundle_()["text/html"]


def test_in_a_kernel_it_displays_itself(ready, monkeypatch):
    """Through a display id, so that what stands there can be replaced; elsewhere as any object."""
    with pytest.raises(NotImplementedError):
        ready._ipython_display_()
    shown = []
    monkeypatch.setattr(module, "in_kernel", lambda: True)
    monkeypatch.setattr(
        "asana_jobs_pd._widget.display.display",
        lambda data, **options: shown.append((data, options)),
    )
    send(ready, "hello")
    ready._ipython_display_()
    [(data, options)] = shown
    assert options["display_id"] is True
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == ready.model_id


def test_in_a_terminal_it_says_how_to_watch(asana, show):
    """A terminal cannot draw it: it shows a snapshot and the command to run."""
    [gid] = asana.gids(1)
    asana.progress(gid)
    widget = show([gid])
    for text in (repr(widget), widget._repr_mimebundle_()["text/plain"]):
        assert "asana-jobs watch" in text
    asana.finish(gid)
    widget.monitor.refresh_now()
    until(lambda: not widget.monitor.running)
    assert "asana-jobs watch" not in repr(widget)


def test_a_typed_url_is_refused(exports, ready, tmp_path, monkeypatch):
    """With a message; no folder of that name is created."""
    monkeypatch.chdir(tmp_path)
    send(ready, "download", gids=exports[:1], dest="s3://bucket/exports")
    until(lambda: "is a URL" in said(ready))
    assert list(tmp_path.iterdir()) == []


def test_no_token_is_a_state(show, wire, asana, monkeypatch):
    """The widget says what to do; with a token, Try again continues."""
    [gid] = asana.gids(1)
    asana.finish(gid)
    monkeypatch.setattr("asana_jobs_pd._http.auth.keyring_token", lambda: None)
    monkeypatch.setattr(
        "asana_jobs_pd._http.auth.prompt_token", lambda: pytest.fail("nobody is asked")
    )
    widget = show([gid], client=None)
    until(lambda: widget._status["title"] == "No token")
    assert "ASANA_ACCESS_TOKEN" in widget._status["text"]
    for name, value in asana.environ.items():
        monkeypatch.setenv(name, value)
    send(widget, "refresh")
    all_succeeded(widget)


def test_pause_and_resume(asana, show):
    """While it is paused, nothing is due; a second pause changes nothing."""
    [gid] = asana.gids(1)
    asana.progress(gid)
    widget = show([gid])
    known(widget, "in_progress", 1)
    send(widget, "pause")
    send(widget, "pause")
    until(lambda: widget._status["state"] == "paused")
    assert (widget._status["title"], widget._status["due"]) == ("Paused", None)
    send(widget, "resume")
    until(lambda: widget._status["state"] == "watching")


def test_downloads(exports, ready, tmp_path):
    """What the page asks for, into the folder it names; the frame of files is a trait."""
    send(ready, "download", gids=exports[:4], dest=str(tmp_path / "a"))
    until(lambda: ready.files is not None and not ready._transfer["busy"])
    assert ready.files["file.path"].notna().all()
    assert len(ready.files) == 4
    assert "4 files verified" in said(ready)
    assert len(ready._transfer["links"]) == 4
    assert {line[3] for line in ready._transfer["lines"]} == {"done"}
    send(ready, "download", gids=[exports[1]], dest=str(tmp_path / "b"))
    until(lambda: len(ready.files) == 1)
    assert [path.parent.name for path in tmp_path.glob("b/*")] == ["b"]


def test_a_download_without_a_token_says_so(show, wire, tmp_path, monkeypatch):
    """A frame that was read long ago may be all that there is."""
    monkeypatch.setattr("asana_jobs_pd._http.auth.keyring_token", lambda: None)
    read = {"fetched_at": pd.Timestamp.now("UTC"), "status": "succeeded"}
    jobs = pd.DataFrame({"gid": ["1"], **read, "new_graph_export.gid": "5"})
    widget = show(jobs, client=None, dest=tmp_path)
    send(widget, "download", gids=["1"], dest=str(tmp_path))
    until(lambda: "ASANA_ACCESS_TOKEN" in said(widget))


def test_a_download_that_fails_says_why(asana, show, tmp_path):
    """A missing file, or a folder that cannot be created."""
    [gid] = asana.gids(1, EXPORTS[0])
    asana.finish(gid)
    widget = show([gid], dest=tmp_path)
    all_succeeded(widget)
    asana.expire_export(gid)
    send(widget, "download", gids=[gid], dest="a\0b")
    until(lambda: "give the path of a folder" in said(widget))
    until(lambda: not widget._transfer["busy"])
    send(widget, "download", gids=[gid], dest=str(tmp_path))
    until(lambda: "the file is gone" in said(widget))
    assert "30 days" in said(widget)


def test_cancel(asana, show, tmp_path):
    """Ends it at once, and says so; one download runs at a time."""
    [gid] = asana.gids(1, EXPORTS[0])
    asana.finish(gid)
    asana.fault("slow", where="exports", seconds=60)
    widget = show([gid], dest=tmp_path)
    all_succeeded(widget)
    send(widget, "download", gids=[gid], dest=str(tmp_path))
    until(lambda: widget._transfer["lines"])
    send(widget, "download", gids=[gid], dest=str(tmp_path / "other"))
    send(widget, "cancel")
    until(lambda: not widget._transfer["busy"])
    assert "Cancelled" in said(widget)
    assert not (tmp_path / "other").exists()


def test_load(exports, ready, tmp_path):
    """The frames of the files are in ``data``, and observers hear of them."""
    send(ready, "load")  # there is nothing yet
    send(ready, "download", gids=exports[:4], dest=str(tmp_path))
    until(lambda: ready.files is not None and not ready._transfer["busy"])
    heard = []
    ready.observe(lambda change: heard.append(change.new), "data")
    send(ready, "load")
    until(lambda: heard and not ready._transfer["busy"])
    assert len(ready.data["task"]) > 0
    assert " task rows" in said(ready)
    assert len(ready._transfer["links"]) == 4  # still there
    (tmp_path / f"{exports[0]}-graph.jsonl.gz").write_bytes(b"not gzip")
    send(ready, "load")
    until(lambda: [tone for tone, _ in ready._transfer["messages"]] == ["bad"])


def test_jobs_can_be_observed(asana, show):
    """Whoever observes gets the frame with each change."""
    [gid] = asana.gids(1)
    asana.progress(gid)
    widget = show([gid])
    known(widget, "in_progress", 1)
    heard = []
    widget.observe(lambda change: heard.append(list(change.new["status"])), "jobs")
    asana.finish(gid)
    send(widget, "refresh")
    until(lambda: ["succeeded"] in heard)  # the row may be told once more before
    with pytest.raises(traitlets.TraitError):
        widget.jobs = widget.jobs


def test_closing_ends_everything(exports, show, asana, tmp_path):
    """Monitor, downloads and threads; no widget is left in the registry. Twice is no harm."""
    gids = [*exports, *asana.gids(1, start=20)]
    asana.progress(gids[-1])
    asana.fault("slow", where="exports", seconds=60, times=9)
    before = len(open_widgets())
    widget = show(gids, dest=tmp_path)
    known(widget, "succeeded", 5)
    send(widget, "download", gids=exports[:4], dest=str(tmp_path))
    until(lambda: widget._transfer["busy"] == "downloading")
    widget.close()
    widget.close()
    assert widget.monitor.state == "stopped"
    until(lambda: not [t for t in threading.enumerate() if t.name == "asana-jobs-transfer"])
    until(lambda: len(open_widgets()) == before)


def test_a_page_that_does_not_hear_gets_a_new_model(ready, wire):
    """The widget keeps what it knows."""
    wire.clear()
    ready._reopen()
    assert [json.loads(text)[0] for text in wire] == ["comm_close", "comm_open"]
    assert len(states(ready)) == 5


def test_two_widgets_on_the_same_jobs(asana, driven, show):
    """With a monitor of their own they ask each; one monitor serves both, and outlives them."""
    [gid] = asana.gids(1)
    asana.progress(gid)
    monitor, _ = driven([gid])
    one, two = show(monitor), show(monitor)
    known(one, "in_progress", 1)
    known(two, "in_progress", 1)
    one.close()
    assert monitor.running
    asana.finish(gid)
    monitor.refresh_now()
    all_succeeded(two)


def test_a_cell_that_runs_again_closes_what_it_left(asana, show, monkeypatch):
    """So that no monitor is leaked."""
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


def test_commands_from_many_threads(asana, show):
    """Handlers may run in any thread, while the monitor tells of changes."""
    gids = asana.gids(60)
    widget = show(gids)
    failed = []

    def click(kind):
        try:
            for _ in range(15):
                send(widget, kind)
        except Exception as error:  # noqa: BLE001
            failed.append(error)

    kinds = ("refresh", "pause", "resume", "all_rows", "cancel", "hello")
    threads = [threading.Thread(target=click, args=(kind,)) for kind in kinds]
    for thread in threads:
        thread.start()
    asana.finish(*gids)
    for thread in threads:
        thread.join()
    assert not failed
    send(widget, "resume")
    send(widget, "refresh")
    until(lambda: widget._status["title"].startswith("All "))  # succeeded, or finished


def test_an_update_that_fails_is_logged_and_tried_again(asana, show, monkeypatch, caplog):
    """An error in the thread that sends must not freeze the widget; nothing is lost."""
    [gid] = asana.gids(1)
    asana.progress(gid)
    widget = show([gid])
    known(widget, "in_progress", 1)
    real, calls = module.status_message, []

    def status_message(*arguments):
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("no")
        return real(*arguments)

    monkeypatch.setattr(module, "status_message", status_message)
    monkeypatch.setattr(Ticker, "INTERVAL", 0.1)
    asana.finish(gid)
    with caplog.at_level(logging.ERROR, "asana_jobs_pd"):
        widget.monitor.refresh_now()
        all_succeeded(widget)
    assert "could not be updated" in caplog.text
