"""What people see and do: every assertion is on the page, after a real click or key."""

from __future__ import annotations

import gzip
import json
import os
import re
import time

import pytest

nbformat = pytest.importorskip("nbformat")
nbconvert = pytest.importorskip("nbconvert")
expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=30_000)  # a machine that does other things, too, is slow

ROWS = ".aj-body .aj-row"
EXPORTS = ("graph_export_request", "export_request")
KINDS = pytest.mark.front_ends("lab-light", "notebook-light")
LAB = pytest.mark.front_ends("lab-light")


def widget(*gids, **options):
    """Return the source of a cell that shows a widget."""
    more = "".join(f", {name}={value!r}" for name, value in options.items())
    return f"w = JobsWidget({list(gids)!r}{more})\nw"


def watch(*gids):
    """Return the source of a cell that reads jobs, and then watches them."""
    return f"w = aj.read_asana_jobs({list(gids)!r}).asana.watch()\nw"


def cells(page, column):
    """Return the texts of a column of the table, as far as it is drawn."""
    return page.locator(f"{ROWS} .aj-col-{column}").all_inner_texts()


def row(page, gid):
    return page.locator(ROWS, has=page.locator(f".aj-col-gid >> text={gid}"))


def button(page, name):
    return page.locator(".aj").get_by_role("button", name=name, exact=True)


def box(page, label):
    return page.locator(".aj").get_by_label(label, exact=True)


def summary(page):
    return page.locator(".aj-summary")


def frames_of_widgets(note):
    """Return what the kernel sent of widgets, in bytes."""
    return [frame for frame in note.frames if b"comm_msg" in frame]


def created(gid, name, subtype="duplicate_task", task_gid="77"):
    """Return the record of a job that created a task with a name."""
    task = {"gid": task_gid, "resource_type": "task", "name": name}
    return {
        "gid": gid,
        "resource_type": "job",
        "resource_subtype": subtype,
        "status": "succeeded",
        "new_task": task,
    }


def test_rows_appear_and_change_live_while_a_cell_blocks(notebook, asana, shoot):
    """A job that goes on in Asana does so on the page, although a cell keeps the kernel busy."""
    gids = asana.gids(6)
    for gid in gids:
        asana.progress(gid, status="not_started")
    note = notebook(widget(*gids), "time.sleep(60)")
    note.start_all()
    page = note.page
    expect(page.locator(ROWS)).to_have_count(6)
    expect(row(page, gids[0])).to_contain_text("not started")
    assert note.prompts()[2] == "[*]:"
    asana.progress(gids[0])
    expect(row(page, gids[0])).to_contain_text("in progress")
    asana.finish(gids[0])
    expect(row(page, gids[0])).to_contain_text("succeeded")
    expect(summary(page)).to_contain_text("1 succeeded")
    expect(page.locator(".aj-bar")).to_have_attribute("aria-label", re.compile("1 succeeded"))
    assert note.prompts()[2] == "[*]:"  # it has blocked all the time
    shoot(page, "live")
    note.command("notebook:interrupt-kernel")
    expect(page.get_by_text("KeyboardInterrupt").first).to_be_visible()
    asana.finish(gids[1])
    expect(row(page, gids[1])).to_contain_text("succeeded")


@KINDS
def test_sort_filter_and_scroll_while_a_cell_blocks(notebook, asana, shoot):
    """A click sorts up, a second down; words and states narrow the rows: all without the kernel."""
    gids = asana.gids(60)
    asana.finish(*gids)
    for gid in gids[40:45]:
        asana.progress(gid)
    note = notebook(widget(*gids), "time.sleep(60)")
    note.start_all()
    page = note.page
    expect(summary(page)).to_contain_text("5 in progress")
    assert note.prompts()[2] == "[*]:"
    expect(page.locator(".aj-range")).to_have_text("1–13 of 60")
    button(page, "Job").click()
    expect(page.locator("[aria-sort=ascending]")).to_have_text("Job")
    expect(page.locator(f"{ROWS} >> nth=0")).to_contain_text(min(gids))
    button(page, "Job").click()
    expect(page.locator(f"{ROWS} >> nth=0")).to_contain_text(max(gids))
    page.locator(".aj-grid").hover()
    page.mouse.wheel(0, 31 * 20)
    expect(page.locator(".aj-range")).to_have_text("21–33 of 60")
    expect(button(page, "Job")).to_be_visible()  # the header stays
    assert page.locator(ROWS).count() <= 13 + 8
    assert sorted(gids, reverse=True)[20:33] == cells(page, "gid")[4:17]
    box(page, "Filter the jobs").fill("graph EXPORT")
    matching = sum(gid.startswith("1203") for gid in gids)
    expect(page.locator(".aj-range")).to_have_text(
        f"1–{matching} of {matching} matching, 60 in all"
    )
    assert set(cells(page, "kind")) == {"graph export"}
    box(page, "Filter the jobs").fill("")
    box(page, "State").select_option("in_progress")
    expect(page.locator(ROWS)).to_have_count(5)
    assert set(cells(page, "state")) == {"in progress"}
    box(page, "Filter the jobs").fill("nothing like it")
    expect(page.locator(".aj-empty")).to_contain_text("No matching jobs")
    shoot(page, "nothing-found")
    button(page, "Clear the filter").click()
    expect(box(page, "State")).to_have_value("")
    expect(page.locator(".aj-range")).to_have_text("1–13 of 60")
    button(page, "Refresh").click()
    expect(page.locator(".aj-notice")).to_contain_text("The kernel is busy running a cell.")
    shoot(page, "kernel-busy")
    assert note.prompts()[2] == "[*]:"
    note.command("notebook:interrupt-kernel")
    expect(page.locator(".aj-notice")).to_be_hidden()


def test_download_two_exports_and_load_them(notebook, asana, server, shoot):
    """Two boxes, one button: the files are there, verified; Load puts their rows into data."""
    gids = [*asana.gids(2, EXPORTS[0]), *asana.gids(2, EXPORTS[1]), *asana.gids(3)]
    asana.finish(*gids)
    asana.fault("slow", where="exports", seconds=2.0, times=2)
    note = notebook(widget(*gids, dest="fetched"), "w.data['task'].shape[0] > 100")
    note.start_all()
    page = note.page
    expect(button(page, "Download all 4 completed")).to_be_enabled()
    box(page, f"Select graph export {gids[0]}").check()
    box(page, f"Select resource export {gids[2]}").check()
    expect(button(page, "Load")).to_be_hidden()
    button(page, "Download 2 selected").click()
    expect(page.locator(".aj-progress")).to_have_count(3)
    expect(button(page, "Cancel")).to_be_visible()
    page.wait_for_function("() => document.querySelector('.aj-progress progress').value")
    shoot(page, "downloading")
    expect(page.locator(".aj-transfer")).to_contain_text("2 files verified")
    expect(page.locator(".aj-progress[data-state=done]")).to_have_count(3)
    folder = server.root / "fetched"
    names = [f"{gids[0]}-graph.jsonl.gz", f"{gids[2]}-resource.jsonl.gz"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    lines = gzip.decompress(b"".join((folder / name).read_bytes() for name in names))
    rows = [json.loads(line) for line in lines.splitlines()]
    assert {found["resource_type"] for found in rows} >= {"task"}
    link = page.locator(".aj-links a").first
    expect(link).to_have_text(f"fetched/{names[0]}")
    with page.expect_download() as caught:
        link.click()
    assert caught.value.path().read_bytes() == (folder / names[0]).read_bytes()
    expect(button(page, "Cancel")).to_be_hidden()
    button(page, "Load").click()
    expect(page.locator(".aj-transfer")).to_contain_text(re.compile(r"Loaded .*task rows"))
    shoot(page, "loaded")
    note.run_cell(2)
    expect(page.locator(".jp-CodeCell").nth(2)).to_contain_text("True")


@KINDS
def test_a_download_can_be_cancelled(notebook, asana, server, shoot):
    """Cancel stops it at once and says so; what was downloaded stays for next time."""
    [gid] = asana.gids(1, EXPORTS[0])
    asana.finish(gid)
    asana.fault("slow", where="exports", seconds=60.0)
    note = notebook(widget(gid))
    note.run_all()
    page = note.page
    button(page, "Download 1 completed").click()
    expect(page.locator(".aj-progress")).to_contain_text("B")
    button(page, "Cancel").click()
    expect(page.locator(".aj-transfer")).to_contain_text("Cancelled")
    expect(button(page, "Download 1 completed")).to_be_enabled()
    shoot(page, "cancelled")
    button(page, "Download 1 completed").click()
    expect(page.locator(".aj-transfer")).to_contain_text("1 file verified")
    assert [path.name for path in (server.root / "exports").glob(f"{gid}*")] == [
        f"{gid}-graph.jsonl.gz"
    ]


def test_what_comes_from_asana_is_text(notebook, asana, shoot):
    """Markup, scripts, quotes and text-direction characters are shown as text."""
    name = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\'"&amp;'
    gid, other, third = asana.gids(3, "duplicate_task")
    bad_gid = '12"onmouseover="window.hacked=1'
    asana.record(gid, created(gid, name, "<b>kind</b>", bad_gid))
    asana.record(other, created(other, "javascript:alert(1)"))
    asana.record(third, created(third, "invoice\u202egpj.exe\u0007\u2028next"))
    note = notebook(widget(gid, other, third))
    note.run_all()
    page = note.page
    expect(row(page, gid)).to_contain_text(name[:60])
    expect(row(page, gid)).to_contain_text("<b>kind</b>")
    expect(page.locator(f"{ROWS} img, {ROWS} script, {ROWS} b")).to_have_count(0)
    expect(row(page, gid).locator("a")).to_have_count(0)  # not a gid: no link
    expect(row(page, other).locator("a")).to_have_attribute("href", "https://app.asana.com/0/0/77")
    expect(row(page, third).locator(".aj-col-name")).to_have_text("invoice gpj.exe next")
    page.mouse.move(*centre(row(page, gid)))
    assert page.evaluate("window.hacked") is None
    shoot(page, "markup")


def centre(locator):
    there = locator.bounding_box()
    return there["x"] + there["width"] / 2, there["y"] + there["height"] / 2


def test_no_token_in_words(notebook, asana, shoot):
    """Without a token the widget says what to do; with one, Try again continues."""
    [gid] = asana.gids(1)
    asana.finish(gid)
    later = (
        "import os\n"
        f"os.environ['ASANA_ACCESS_TOKEN'] = {asana.token!r}\n"
        f"os.environ['ASANA_BASE_URL'] = {asana.base_url!r}"
    )
    note = notebook(widget(gid), connect=False)
    note.run_all()
    page = note.page
    expect(summary(page)).to_contain_text("No token")
    expect(page.locator(".aj-notice")).to_contain_text("ASANA_ACCESS_TOKEN")
    shoot(page, "no-token")
    note.run_code(later)
    button(page, "Try again").click()
    expect(row(page, gid)).to_contain_text("succeeded")


def test_failures_in_words(notebook, asana, shoot):
    """A missing network and a 404 are explained."""
    gids = asana.gids(5)
    for gid in gids:
        asana.progress(gid)
    asana.answer(gids[1], 404)
    note = notebook(widget(*gids))
    note.run_all()
    page = note.page
    expect(row(page, gids[1])).to_contain_text("only a job's creator can read it")
    expect(row(page, gids[1])).to_contain_text("404")
    expect(row(page, gids[0])).to_contain_text("in progress")
    asana.fault("reset", times=100)
    button(page, "Refresh").click()
    expect(summary(page)).to_contain_text("No response from Asana")
    expect(page.locator(".aj-notice")).to_contain_text("Nothing is lost")
    shoot(page, "no-network")


@KINDS
def test_a_refused_token_in_words(notebook, asana, shoot):
    """A 401 stops the watching and says so."""
    gids = asana.gids(2)
    for gid in gids:
        asana.answer(gid, 401)
    note = notebook(widget(*gids))
    note.run_all()
    expect(summary(note.page)).to_contain_text("Token rejected")
    expect(note.page.locator(".aj-notice")).to_contain_text("401")
    shoot(note.page, "refused")


@KINDS
def test_a_rate_limit_in_words(notebook, asana, shoot):
    """A 429 is explained, with the time of the next check."""
    gids = asana.gids(3)
    for gid in gids:
        asana.progress(gid)
    note = notebook(widget(*gids))
    note.run_all()
    page = note.page
    expect(row(page, gids[0])).to_contain_text("in progress")
    asana.fault("status", status=429, times=50)
    button(page, "Refresh").click()
    expect(summary(page)).to_contain_text("Rate limited")
    expect(page.locator(".aj-notice")).to_contain_text("429 Too Many Requests")
    expect(page.locator(".aj-clock")).to_contain_text("next check in")
    shoot(page, "rate-limited")


def test_pause_and_resume(notebook, asana, shoot):
    """While it is paused nothing is asked; Resume continues."""
    gids = asana.gids(3)
    for gid in gids:
        asana.progress(gid)
    note = notebook(widget(*gids))
    note.run_all()
    page = note.page
    expect(row(page, gids[0])).to_contain_text("in progress")
    button(page, "Pause").click()
    expect(summary(page)).to_contain_text("Paused")
    expect(button(page, "Resume")).to_be_visible()
    shoot(page, "paused")
    page.wait_for_timeout(700)
    asana.finish(*gids)
    asked = asana.stats
    page.wait_for_timeout(2000)
    assert asana.stats == asked
    expect(row(page, gids[0])).to_contain_text("in progress")
    button(page, "Resume").click()
    expect(summary(page)).to_contain_text("All succeeded")
    shoot(page, "all-done")


@KINDS
def test_keyboard_alone(notebook, asana, shoot):
    """Tab, letters, arrows, Space and Enter reach everything: filter, sort, select, download."""
    gids = [*asana.gids(4, "duplicate_task"), *asana.gids(2, EXPORTS[1])]
    asana.finish(*gids)
    note = notebook(widget(*gids))
    note.run_all()
    page, press = note.page, note.page.keyboard.press
    expect(summary(page)).to_contain_text("All succeeded")
    reach(page, "Filter the jobs")
    page.keyboard.type("resource")
    expect(page.locator(ROWS)).to_have_count(2)
    reach(page, "Job")
    press("Enter")
    expect(page.locator("[aria-sort=ascending]")).to_have_text("Job")
    press("Space")
    expect(page.locator("[aria-sort=descending]")).to_have_text("Job")
    page.locator(".aj-grid").focus()
    press("ArrowDown")
    expect(page.locator(".aj-active")).to_contain_text(min(gids[4:]))
    press("Space")
    expect(button(page, "Download 1 selected")).to_be_visible()
    shoot(page, "focus")
    reach(page, "Download 1 selected")
    press("Enter")
    expect(page.locator(".aj-transfer")).to_contain_text("1 file verified")
    expect(page.locator(".jp-CodeCell")).to_have_count(2)  # no key went to the notebook


FOCUSED = """() => {
  const focused = document.activeElement;
  return (focused.getAttribute('aria-label') || focused.innerText || '').trim(); }"""


def reach(page, name, most=60):
    """Press Tab until the focus is on what has this name."""
    for _ in range(most):
        if page.evaluate(FOCUSED) == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {name!r}")


@KINDS
@pytest.mark.parametrize(
    "control", ["Filter the jobs", "State", "Refresh", "Age", "Jobs", "Folder for the files"]
)
def test_no_key_reaches_the_notebook(notebook, asana, control):
    """D D on a focused control, or on a box that was clicked, deletes no cell."""
    gids = asana.gids(3, EXPORTS[0])
    asana.finish(*gids)
    note = notebook(widget(*gids), "1 + 1", "2 + 2")
    note.run_all()
    page = note.page
    expect(summary(page)).to_contain_text("All succeeded")
    if control == "Jobs":
        box(page, f"Select graph export {gids[1]}").click()
        expect(button(page, "Download 1 selected")).to_be_visible()
    else:
        focus = page.locator(".aj").get_by_role("button", name=control, exact=True)
        (focus if focus.count() else box(page, control)).focus()
    for key in ("d", "d", "x", "a", "z"):
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    expect(page.locator(".jp-CodeCell")).to_have_count(4)


@LAB  # it has to wait for a long delay
def test_the_countdown_runs_without_a_message(notebook, asana):
    """The number on the page changes by itself while the wire is silent."""
    [gid] = asana.gids(1)
    asana.progress(gid)
    note = notebook(widget(gid))
    note.run_all()
    page = note.page
    left = "parseInt(/in (\\d+) s/.exec(document.querySelector('.aj-clock').textContent)?.[1])"
    first = page.wait_for_function(f"() => {left} >= 5 && {left}", timeout=60_000).json_value()
    sent = len(frames_of_widgets(note))
    page.wait_for_function(f"first => {left} <= first - 2", arg=first)
    assert len(frames_of_widgets(note)) == sent


def test_after_a_kernel_restart_the_table_stays(notebook, asana, shoot):
    """With what to do; sorting and filtering work, the rest is off; the cell brings it back."""
    gids = [*asana.gids(20), *asana.gids(2, EXPORTS[0], start=3)]
    asana.finish(*gids[:5], *gids[20:])
    for gid in gids[5:20]:
        asana.progress(gid)
    note = notebook(widget(*gids))
    note.run_all()
    page = note.page
    expect(summary(page)).to_contain_text("in progress")
    note.restart()
    expect(summary(page)).to_contain_text("Not connected")
    expect(page.locator(".aj-notice")).to_contain_text("Run the cell again to continue.")
    expect(page.locator(".aj-notice")).to_contain_text("as of 20")
    for name in ("Refresh", "Pause"):
        expect(button(page, name)).to_be_disabled()
    button(page, "Job").click()
    expect(page.locator(f"{ROWS} >> nth=0")).to_contain_text(min(gids))
    box(page, "State").select_option("unfinished")
    assert set(cells(page, "state")) == {"in progress"}
    expect(page.locator(".aj-host")).to_have_css("position", re.compile(".*"))
    shoot(page, "not-connected")
    note.run_all()
    expect(page.locator(".aj")).to_have_count(1)
    expect(summary(page)).not_to_contain_text("Not connected")
    button(page, "Pause").click()
    expect(summary(page)).to_contain_text("Paused")


@KINDS
def test_a_saved_notebook_holds_no_secret(notebook, asana, server):
    """Saved with the state of all widgets, after a download: no token, no signed URL."""
    gids = [*asana.gids(2, EXPORTS[0]), *asana.gids(1)]
    asana.finish(*gids)
    note = notebook(
        watch(*gids), "assert w.jobs.filter(like='download_url').notna().any(axis=None)"
    )
    note.run_all()
    page = note.page
    button(page, "Download all 2 completed").click()
    expect(page.locator(".aj-transfer")).to_contain_text("2 files verified")
    saved = json.loads(note.save())
    first = saved["cells"].pop(0)  # the test itself connects there, with its token
    assert asana.token in "".join(first["source"])
    text = json.dumps(saved)
    outputs = saved["cells"][0]["outputs"][0]["data"]
    assert "application/vnd.jupyter.widget-view+json" in outputs
    assert "graph export" in "".join(outputs["text/html"])
    assert "3 jobs: 3 succeeded" in "".join(outputs["text/plain"])
    if server.kind == "lab":
        assert '"JobsModel"' in text  # the state was saved, too
    for secret in (asana.token, "X-Amz-", "Signature", "download_url="):
        assert secret not in text


@LAB
@pytest.mark.parametrize("tampered", [False, True])
def test_reopened_with_its_state(server, open_page, asana, tampered, shoot):
    """The table as it was saved, not connected; a state that was tampered with runs nothing."""
    gids = asana.gids(30)
    asana.finish(*gids[:10])
    for gid in gids[10:]:
        asana.progress(gid)
    name = f"saved-{tampered}.ipynb"
    note = open_page(server, name, widget(*gids))
    note.run_all()
    expect(summary(note.page)).to_contain_text("20 in progress")
    saved = note.save()
    note.page.close()
    server.end_kernels(name)
    if tampered:
        evil = "<img src=x onerror='window.hacked=1'>\u202e"
        saved = json.loads(saved)
        for model in saved["metadata"]["widgets"].values():
            for each in model["state"].values():
                if each["model_name"] == "JobsModel":
                    tamper(each["state"], evil)
        (server.root / name).write_text(json.dumps(saved))
        server.trust(name)
    page = open_page(server, name).page
    expect(summary(page)).to_contain_text("Not connected")
    expect(page.locator(".aj-range")).to_have_text("1–13 of 30")
    assert page.evaluate("window.hacked") is None
    expect(page.locator(".aj img, .aj-body a[href^=javascript], .aj-links a")).to_have_count(0)
    if tampered:
        expect(page.locator(ROWS).first).to_contain_text("<img src=x")
    box(page, "Filter the jobs").fill(gids[3])
    expect(page.locator(ROWS)).to_have_count(1)
    shoot(page, f"reopened-{tampered}")


def tamper(state, evil):
    rows = state["_rows"]
    rows["looks"] = [[evil, evil, {"a": 1}, 7, "javascript:alert(1)//{gid}"] for _ in rows["looks"]]
    rows["rows"] = [[gid, 0, "soon", [], evil, "77"] for gid, *_ in rows["rows"]]
    state["_status"] = {"title": evil, "text": evil, "tone": evil, "due": evil, "budget": [evil]}
    state["_transfer"] = {
        "lines": [[evil, evil, evil, evil, evil], 7],
        "messages": [[evil, evil]],
        "links": [[evil, "javascript:window.hacked=1"], [evil, "//evil.example/x"]],
    }


@KINDS
def test_reopened_without_its_state(server, open_page, asana, shoot):
    """As front ends save by default: the static table, with its time and what to do."""
    [gid] = asana.gids(1)
    asana.progress(gid)
    name = "without-state.ipynb"
    note = open_page(server, name, widget(gid))
    note.run_all()
    expect(summary(note.page)).to_contain_text("1 in progress")
    saved = json.loads(note.save())
    note.page.close()
    server.end_kernels(name)
    saved["metadata"].pop("widgets", None)
    (server.root / name).write_text(json.dumps(saved))
    page = open_page(server, name).page
    output = page.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea-output")
    expect(output).to_contain_text("1 job: 1 in progress, as of 20")
    expect(output).to_contain_text("For a live table, run this cell in Jupyter.")
    shoot(page, "static", whole=True)


@LAB
def test_a_page_without_a_kernel_shows_the_static_table(notebook, asana, server, context):
    """What nbconvert makes of a saved notebook is a table, and nothing runs in it."""
    name = "<script>window.hacked=1</script>"
    [gid] = asana.gids(1, "duplicate_task")
    asana.record(gid, created(gid, name))
    note = notebook(watch(gid))
    note.run_all()
    expect(row(note.page, gid)).to_contain_text(name)
    saved = nbformat.reads(note.save(), as_version=4)
    saved.metadata.pop("widgets", None)  # as JupyterLab saves it by default
    html, _ = nbconvert.HTMLExporter().from_notebook_node(saved)
    (server.root / "static.html").write_text(html, encoding="utf-8")
    page = context.new_page()
    try:
        page.goto((server.root / "static.html").as_uri(), wait_until="domcontentloaded")
        table = page.locator("table.dataframe")
        expect(table).to_contain_text("✓ succeeded")
        expect(table).to_contain_text(name)
        expect(table.locator("a")).to_have_attribute("href", "https://app.asana.com/0/0/77")
        assert page.evaluate("window.hacked") is None
    finally:
        page.close()


def test_a_narrow_page(notebook, asana, shoot):
    """At 620 px, Kind, Job, Age and Took fold under the name; nothing is cut without a title."""
    gids = asana.gids(20)
    asana.finish(*gids)
    asana.record(gids[0], created(gids[0], "A rather long name " * 5))
    note = notebook(widget(*gids))
    page = note.page
    before = page.viewport_size
    page.set_viewport_size({"width": 620, "height": 1000})
    try:
        note.run_all()
        expect(summary(page)).to_contain_text("20 succeeded")
        line = row(page, gids[0])
        name, kind, gid = (line.locator(f".aj-col-{key}") for key in ("name", "kind", "gid"))
        expect(kind).to_be_visible()
        assert kind.bounding_box()["y"] > name.bounding_box()["y"] + 10
        assert gid.bounding_box()["y"] > kind.bounding_box()["y"] + 10
        assert page.evaluate(CUT) == []
        assert page.evaluate(OVERFLOW) == []
        shoot(page, "narrow")
    finally:
        page.set_viewport_size(before)


CUT = """() => [...document.querySelectorAll('.aj-body .aj-row > div')]
  .filter(cell => cell.scrollWidth > cell.clientWidth + 1 && !cell.title)
  .map(cell => cell.textContent)"""
OVERFLOW = """() => { const box = document.querySelector('.aj').getBoundingClientRect();
  return [...document.querySelectorAll('.aj button, .aj input, .aj select, .aj-range')]
    .filter(each => each.offsetParent && each.getBoundingClientRect().right > box.right)
    .map(each => each.outerHTML); }"""


@KINDS
def test_two_widgets_and_a_cell_that_runs_again(notebook, asana):
    """Two live side by side; a cell that runs again closes the one that it left."""
    [gid] = asana.gids(1)
    asana.progress(gid)
    note = notebook(widget(gid), f"v = aj.JobsWidget([{gid!r}])\nv", "old = w")
    note.run_all()
    page = note.page
    expect(page.locator(".aj")).to_have_count(2)
    for each in range(2):
        expect(summary(page).nth(each)).to_contain_text("1 in progress")
    note.run_cell(1)
    expect(summary(page).nth(0)).to_contain_text("1 in progress")
    expect(page.locator(".aj")).to_have_count(2)
    note.run_code("assert old.monitor.state == 'stopped'; v.close()")
    expect(page.locator(".aj")).to_have_count(1)
    asana.finish(gid)
    button(page, "Refresh").click()
    expect(summary(page)).to_contain_text("All succeeded")


@KINDS
def test_inside_a_box_and_twice(notebook, asana, shoot):
    """It lives in a `VBox`, and is shown twice: both show the same selection."""
    gids = asana.gids(2, EXPORTS[0])
    asana.finish(*gids)
    note = notebook(
        "import ipywidgets\n" + widget(*gids)[:-1] + "ipywidgets.VBox([ipywidgets.Label('x'), w])",
        "w",
    )
    note.run_all()
    page = note.page
    expect(page.locator(".aj")).to_have_count(2)
    page.locator(".aj").nth(0).get_by_label(f"Select graph export {gids[0]}").check()
    for each in range(2):
        expect(page.locator(".aj").nth(each)).to_contain_text("Download 1 selected")
    shoot(page, "in-a-box")


@KINDS
def test_the_magic_ends_in_the_widget(notebook, asana):
    """``%asana_jobs … --watch`` shows it, and can be assigned."""
    gids = asana.gids(2)
    asana.finish(*gids)
    note = notebook(
        f"%load_ext asana_jobs_pd\nw = %asana_jobs {' '.join(gids)} --watch\nw",
        "list(w.jobs['status'])",
    )
    note.run_all()
    expect(summary(note.page)).to_contain_text("2 jobs")
    expect(row(note.page, gids[1])).to_contain_text("succeeded")
    expect(note.page.locator(".jp-CodeCell").nth(2)).to_contain_text("['succeeded', 'succeeded']")


@LAB
def test_what_screen_readers_hear(notebook, asana):
    """A region with a grid of named columns and rows, named controls, and the counts in words."""
    gids = [*asana.gids(1, EXPORTS[0]), *asana.gids(1, "duplicate_task")]
    asana.finish(*gids)
    asana.record(gids[1], created(gids[1], "Launch"))
    note = notebook(widget(*gids))
    note.run_all()
    page = note.page
    expect(summary(page)).to_contain_text("All succeeded")
    button(page, "Job").click()
    tree = page.locator(".aj-host").aria_snapshot()
    for part in (
        'region "Asana jobs"',
        'img "Of 2 jobs: 2 succeeded"',
        'textbox "Filter the jobs"',
        'combobox "State"',
        'button "Refresh" [disabled]',
        'grid "Jobs"',
        'columnheader "Created object"',
        f'checkbox "Select graph export {gids[0]}"',
        'gridcell "succeeded"',
        'link "Launch"',
        'button "Download 1 completed"',
        'textbox "Folder for the files"',
    ):
        assert part in tree, tree
    grid = page.get_by_role("grid", name="Jobs")
    assert grid.get_attribute("aria-rowcount") == "3"
    assert page.locator(ROWS).first.get_attribute("aria-rowindex") == "2"


@KINDS
def test_a_script_that_takes_long_to_load(server, open_page, asana):
    """It takes three seconds while the jobs continue; then the page shows everything."""
    gids = asana.gids(3)
    for gid in gids:
        asana.progress(gid)
    note = open_page(server, "slow.ipynb", widget(*gids))
    page = note.page
    page.route("**/jobs.js", lambda route: (time.sleep(3), route.continue_()))
    note.start_all()
    asana.finish(gids[0])
    expect(row(page, gids[0])).to_contain_text("succeeded")
    button(page, "Pause").click()
    expect(summary(page)).to_contain_text("Paused")


CSP = (
    "default-src 'self'; script-src 'self' 'unsafe-eval' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self' ws: wss:; worker-src 'self' blob:"
)


@LAB
def test_under_a_strict_policy(start_server, open_page, asana):
    """Where a page may run scripts of its own server only."""
    headers = {"headers": {"Content-Security-Policy": CSP}}
    option = f"--ServerApp.tornado_settings={headers!r}"
    [gid] = asana.gids(1)
    asana.progress(gid)
    note = open_page(start_server("lab", options=[option]), "csp.ipynb", widget(gid))
    note.run_all()
    expect(row(note.page, gid)).to_contain_text("in progress")
    assert not note.bad_errors()


@LAB
def test_a_server_without_our_front_end(start_server, open_page, asana, shoot):
    """A plain table that stays live, and says what to install where."""
    [gid] = asana.gids(1)
    asana.progress(gid)
    note = open_page(start_server("lab", front_end=False), "plain.ipynb", widget(gid))
    note.run_all()
    output = note.page.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea-output")
    expect(output).to_contain_text("pip install asana_jobs_pd")
    expect(output.locator("table")).to_contain_text("in progress")
    asana.finish(gid)
    expect(output.locator("table")).to_contain_text("succeeded")
    shoot(note.page, "without-front-end", whole=True)


@LAB
def test_ten_thousand_jobs(notebook, asana, shoot):
    """Few and small messages, visible rows only, and the page is never blocked for long."""
    note = notebook(
        "import pandas as pd\n"
        "jobs = pd.DataFrame({'gid': [f'12{n % 9:02d}{n // 9:012d}' for n in range(10_000)]})\n"
        "jobs['status'], jobs['new_task.gid'] = 'succeeded', jobs['gid']\n"
        "jobs.loc[:5000, 'status'] = 'in_progress'\n"
        "jobs['fetched_at'] = pd.Timestamp.now('UTC')\n"
        "jobs['new_task.name'] = 'A name as long as people make them ' + jobs['gid']",
        "w = jobs.asana.watch()\nw",
    )
    page = note.page
    page.evaluate(LONG_TASKS)
    note.run_all()
    expect(page.locator(".aj-range")).to_have_text("1–13 of 10,000")
    assert page.locator(ROWS).count() <= 13 + 8
    assert max(len(frame) for frame in note.frames) < 600_000
    shoot(page, "ten-thousand")
    box(page, "Filter the jobs").fill(f"people {9999 // 9:012d}")  # the last names follow
    expect(page.locator(".aj-range")).to_contain_text("1–1 of 1 matching")
    page.wait_for_function("() => document.querySelector('.aj-summary').children.length > 2")
    blocked = []
    for term in [str(1200 + n % 9) for n in range(15)]:  # prefixes of gids
        page.evaluate("window.long = []")
        box(page, "Filter the jobs").fill(term)
        button(page, "Job").click()
        page.wait_for_timeout(500)
        blocked.append(page.evaluate("Math.max(0, ...window.long)"))
        if len(blocked) >= 5 and sorted(blocked[-5:])[2] < 100 * SLACK:
            break
    assert sorted(blocked[-5:])[2] < 100 * SLACK, blocked
    changes = [frame for frame in note.frames if b'"kind":"rows"' in frame.replace(b" ", b"")]
    assert changes
    for frame in changes:  # Jupyter's own headers, and what changed
        assert len(frame) < 2_000 + 200 * frame.count(b'["12')


SLACK = float(os.environ.get("ASANA_JOBS_SLACK", "10"))
"""How much slower than a quiet machine with two cores this one may be; 1 measures the target."""
LONG_TASKS = """() => { window.long = [];
  new PerformanceObserver(list => list.getEntries().forEach(e => window.long.push(e.duration)))
    .observe({type: 'longtask'}); }"""
