"""Reports: one HTML file that needs nothing else and trusts nothing."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from made import NAME, SIGNATURE, URL, at, export, few, frame, many, record

import asana_jobs_pd as aj
from asana_jobs_pd._report.report import MAX_ROWS
from asana_jobs_pd._vocabulary import STATE_STYLES
from asana_jobs_pd.errors import InvalidFrameError, InvalidOptionError

VOID = {"meta", "link", "img", "br", "input"}
KNOWN = {
    "html", "head", "meta", "title", "style", "body", "main", "header", "section", "div", "span",
    "p", "h1", "h2", "i", "strong", "code", "table", "thead", "tbody", "tr", "th", "td",
    "svg", "defs", "lineargradient", "stop", "g", "rect", "circle", "path", "line", "text",
}  # fmt: skip


class Page(HTMLParser):
    """What a browser would see: elements, attributes, and the text of each."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.open, self.rows = [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append([tag, dict(attrs), ""])
        if tag not in VOID:
            self.open.append(self.elements[-1])
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for element in self.open:
            element[2] += data
        if {"td", "th"} & {element[0] for element in self.open}:
            self.rows[-1][-1] += data

    def texts(self, tag, **attributes):
        wanted = {key.rstrip("_"): value for key, value in attributes.items()}
        return [
            text
            for name, found, text in self.elements
            if name == tag and wanted.items() <= found.items()
        ]


@pytest.fixture
def report(tmp_path):
    """Write a report and parse it."""

    def make(jobs, **options):
        path = jobs.asana.report(tmp_path / "report.html", **options)
        assert list(tmp_path.iterdir()) == [path]
        return Page(path.read_text(encoding="utf-8"))

    return make


def downloaded(tmp_path):
    """Return a frame as a download gives it: a row a file."""
    jobs = pd.concat([few(), frame(export(17, "succeeded", "08:00:00", "08:01:00"))])
    jobs = jobs.reset_index(drop=True)
    told = [
        ("graph", str(tmp_path / "exports" / "11-graph.jsonl.gz"), 96_000_000, "ab" * 32, None),
        *[(None,) * 5] * 5,
        ("graph", None, None, None, f"see {URL} <b>"),
    ]
    names = ["file.kind", "file.path", "file.bytes", "file.sha256", "file.error"]
    for name, column in zip(names, zip(*told, strict=True), strict=True):
        jobs[name] = pd.array(column, "Int64" if name == "file.bytes" else "string")
    return jobs


def test_a_report_has_four_parts_and_the_counts(report):
    """Summary, timeline, failures, files; each state with its mark and number."""
    page = report(few(), title="Exports")
    assert page.texts("h1") == page.texts("title")[:1] == ["Exports"]
    assert page.texts("h2") == ["Summary", "Timeline", "Failures", "Files"]
    (chips,) = page.texts("p", class_="chips")
    assert chips.startswith("6 jobs✓2 succeeded●1 in progress○1 not started✕1 failed!1 unreadable")
    assert ["graph export", "1", "–", "–", "1", "–", "2"] in page.rows


def test_it_needs_nothing_and_runs_nothing(report):
    """No script, no link, no picture from elsewhere; the policy forbids them to the browser."""
    page = report(few())
    for tag, attributes, _ in page.elements:
        assert tag in KNOWN
        assert not {"src", "href", "xlink:href"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)
    (policy,) = [a["content"] for _, a, _ in page.elements if "http-equiv" in a]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    (style,) = page.texts("style")
    assert "http" not in style
    assert "@import" not in style
    assert re.findall(r"url\((.)", style) == []


def test_names_are_text(report):
    """Markup in a name, a kind, a status, an error or a title is shown as it is."""
    evil = "</title><script>alert(1)</script>"
    jobs = frame(
        record(1, "succeeded", new_task={"gid": "1", "name": NAME}),
        record(2, f"x{evil}", subtype=f"k{evil}"),
        record(3, "failed"),
    )
    jobs.loc[2, "error.message"] = evil
    page = report(jobs, title=evil)
    assert page.texts("script") == page.texts("img") == []
    assert page.texts("h1") == [evil]
    assert f"{NAME[:27]}…  1" in page.texts("text", class_="label")
    assert any(row[-1] == evil for row in page.rows)
    assert any(f"k{evil}"[:20] in row[0] for row in page.rows)


def test_failures_say_why(report):
    """What Asana said, without a signature; that it gives no reason; who can read a job."""
    page = report(few())
    rows = {row[0]: row[1:] for row in page.rows}
    assert rows["13"] == ["graph export", "✕failed", "Asana gives no reason"]
    kind, state, reason = rows["1600000000000016"]
    assert (kind, state) == ("unknown kind", "!unreadable")
    assert reason.startswith("404 see https://s3.example/f.jsonl.gz?…")
    assert reason.endswith("(not found, or not yours: only a job's creator can read it)")


def test_what_could_not_be_started_is_a_failure_without_a_gid(report):
    """It is told by what it was to be of."""
    jobs = pd.DataFrame(
        {"gid": [None, None], "source.gid": ["1203", None], "error.kind": ["http", "network"]}
    )
    page = report(jobs.assign(**{"error.message": "Forbidden"}))
    assert [row[0] for row in page.rows[-2:]] == ["of 1203", "none"]
    assert page.rows[-1][-1] == "Forbidden"


def test_files_are_told_with_size_and_sum(report, tmp_path):
    """Named from the report's folder; what went wrong; which exports wait."""
    page = report(downloaded(tmp_path))
    rows = {row[0]: row[1:] for row in page.rows[-2:]}
    assert rows["11"] == ["graph export", "exports/11-graph.jsonl.gz", "96 MB", "ab" * 32]
    assert rows["17"][1] == "see https://s3.example/f.jsonl.gz?… <b>"
    assert "1 export ready to download." in page.texts("p", class_="dim")


def test_no_signature_and_no_folder_of_mine_is_in_it(tmp_path):
    """A report travels: of files elsewhere it tells the name alone."""
    (tmp_path / "there").mkdir()
    path = aj.asana_jobs_report(downloaded(tmp_path), tmp_path / "there" / "r.html", title=URL)
    html = path.read_text(encoding="utf-8")
    assert SIGNATURE not in html
    assert str(tmp_path) not in html
    assert "11-graph.jsonl.gz" in html
    other = downloaded(tmp_path).assign(**{"file.path": r"C:\Users\me\11-graph.jsonl.gz"})
    html = other.asana.report(tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Users" not in html


def test_the_timeline_is_drawn_to_scale(report):
    """A bar's place and width are its times; what runs fades out; the tooltip says it in words."""
    page = report(few(), tz="Europe/Berlin")
    bars = [a for tag, a, _ in page.elements if tag == "rect" and a.get("class") == "bar"]
    done, running = ((float(bar["x"]), float(bar["width"])) for bar in bars)
    assert done[0] + 3 * done[1] == pytest.approx(running[0], abs=0.2)
    assert running[1] == pytest.approx(3 * done[1], abs=0.2)
    fades = [a for tag, a, _ in page.elements if a.get("fill", "").startswith("url(#fade-")]
    assert float(fades[-1]["x"]) == pytest.approx(sum(running), abs=0.2)
    told = page.texts("title")
    assert (
        "11: succeeded, 2026-11-24 09:00:00 to 2026-11-24 09:10:00, 10 min, reported by Asana"
        in told
    )
    assert "14: succeeded, times unknown" in told
    assert "times in Europe/Berlin" in page.texts("p", class_="dim")[0]


def test_a_history_fills_the_timeline(report):
    """As in the picture: pale bars for what was seen."""
    history = pd.DataFrame(
        {
            "gid": "14",
            "status": ["in_progress", "succeeded"],
            "at": [at("08:05:00"), at("08:06:00")],
        }
    )
    page = report(few(), history=history)
    assert [a for tag, a, _ in page.elements if a.get("class") == "observed"]
    assert any(title.endswith("1 min, observed") for title in page.texts("title"))


def test_many_jobs_stay_readable_and_small(report, tmp_path):
    """One path a look instead of an element a job; long tables say how many more there are."""
    page = report(many(4000))
    drawn = [tag for tag, _, _ in page.elements if tag in ("path", "rect", "g")]
    assert len(drawn) < 20
    assert (tmp_path / "report.html").stat().st_size < 600_000
    (more,) = [text for text in page.texts("p", class_="dim") if text.startswith("… and")]
    failed = int((many(4000)["status"] == "failed").sum())
    assert more == f"… and {failed - MAX_ROWS:,} more."
    assert "800 jobs with unknown times not shown" in page.texts("p", class_="dim")[1]


def test_light_dark_and_print(report):
    """Both sets of colours for each state, the dark ones on a screen that asks for them."""
    (style,) = report(few()).texts("style")
    light, _, rest = style.partition("@media screen and (prefers-color-scheme:dark)")
    dark, _, print_ = rest.partition("@media print")
    for style in STATE_STYLES.values():
        assert f".s-{style.state}{{--c:{style.light}}}" in light
        assert f".s-{style.state}{{--c:{style.dark}}}" in dark
    assert "break-inside:avoid" in print_


@pytest.mark.parametrize("jobs", [few()[:0], pd.DataFrame({"gid": []})])
def test_nothing_is_a_report_too(report, jobs):
    """It says that there is nothing."""
    page = report(jobs)
    assert page.texts("p", class_="dim")[1:] == [
        "No jobs.",
        "No jobs.",
        "No failures.",
        "No files.",
    ]


def test_gids_alone_are_a_report_too(report):
    """States are unknown, and so are times."""
    page = report(pd.DataFrame({"gid": ["1", "2"]}))
    assert "2 unknown" in page.texts("p", class_="chips")[0]
    many_gids = report(pd.DataFrame({"gid": [str(gid) for gid in range(1, 100)]}))
    assert "No times are known for 99 jobs." in many_gids.texts("p", class_="dim")


def test_it_needs_no_extra(report, monkeypatch):
    """Neither matplotlib nor xlsxwriter."""
    for name in ("matplotlib", "xlsxwriter"):
        monkeypatch.setitem(sys.modules, name, None)
    assert report(few()).texts("svg")


@pytest.mark.parametrize("verb", ["report", "to_excel"])
@pytest.mark.parametrize(
    "path",
    ["s3://bucket/r.xlsx", "gs://b/r.xlsx", "file:///r.xlsx", "~nobody9/r.xlsx", b"r.xlsx", ""],
)
def test_only_local_files_are_written(tmp_path, monkeypatch, verb, path):
    """URLs, unknown homes and what is not a path are refused, and nothing is created."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidOptionError, match="path="):
        getattr(few().asana, verb)(path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_home_folder(tmp_path, monkeypatch):
    """``~`` is refused in words."""
    monkeypatch.setattr(Path, "expanduser", _no_home)
    with pytest.raises(InvalidOptionError, match="no home folder"):
        few().asana.report("~/r.html")


def _no_home(_):
    raise RuntimeError("Could not determine home directory.")


def test_what_does_not_fit_is_told(tmp_path):
    """Frames, zones and folders that are none; nothing is written."""
    with pytest.raises(InvalidFrameError):
        pd.DataFrame({"a": [1]}).asana.report(tmp_path / "r.html")
    with pytest.raises(InvalidOptionError, match="tz="):
        few().asana.report(tmp_path / "r.html", tz="Mars")
    with pytest.raises(InvalidOptionError, match="no folder"):
        few().asana.report(tmp_path / "no" / "r.html")
    assert list(tmp_path.iterdir()) == []
