"""Reports: one HTML file that needs nothing else and trusts nothing."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from made import NAME, SIGNATURE, URL, at, export, few, frame, many, record
from matplotlib import pyplot as plt

import asana_jobs_pd as aj
from asana_jobs_pd._report.report import MAX_ROWS
from asana_jobs_pd._vocabulary import STATE_STYLES
from asana_jobs_pd.errors import InvalidFrameError, InvalidOptionError, MissingExtraError

VOID = {"meta", "link", "img", "br", "input"}
KNOWN = {
    "html", "head", "meta", "title", "style", "body", "main", "header", "section", "div", "span",
    "p", "h1", "h2", "i", "strong", "table", "thead", "tbody", "tr", "th", "td", "a",
    "svg", "defs", "g", "use", "path", "text",
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


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The report of a few jobs, with its picture."""
    path = few().asana.report(tmp_path_factory.mktemp("report") / "report.html")
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture
def text_report(report, monkeypatch):
    """The same without pictures, which take most of the time."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    return report


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


def test_a_report_has_its_parts_and_the_counts(text_report):
    """Each state with its mark and number, a row of totals; parts without content are left out."""
    page = text_report(few(), title="Exports")
    assert page.texts("h1") == page.texts("title")[:1] == ["Exports"]
    parts = ["Summary", "Failures", "Unfinished", "Timeline", "Created", "Files"]
    assert page.texts("h2") == parts
    chips = " ".join(page.texts("p", class_="chips")[0].split())
    assert chips == "6 jobs ✓2 succeeded ●1 in progress ○1 not started ✕1 failed !1 unreadable"
    assert ["graph export", "1", "–", "–", "1", "–", "2"] in page.rows
    assert ["Total", "2", "1", "1", "1", "1", "6"] in page.rows


def test_parts_without_content_are_left_out(text_report):
    """One finished job needs four headings."""
    assert text_report(few()[:1]).texts("h2") == ["Summary", "Failures", "Timeline", "Files"]


def test_it_needs_nothing_and_runs_nothing(drawn):
    """No script and no external resource; the policy forbids them. Links lead to Asana."""
    page = drawn
    ids = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for tag, attributes, _ in page.elements:
        assert tag in KNOWN
        assert not {"src", "xlink:href", "srcset"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)
        if tag == "use":
            assert attributes["href"].removeprefix("#") in ids
        elif "href" in attributes:
            assert (tag, attributes["rel"]) == ("a", "noopener noreferrer")
            assert attributes["href"].startswith("https://app.asana.com/0/")
    (policy,) = [a["content"] for _, a, _ in page.elements if "http-equiv" in a]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    (style,) = page.texts("style")
    assert "http" not in style
    assert "@import" not in style
    assert "url(" not in style


def test_created_objects_have_links(text_report):
    """For jobs that succeeded; exports are files. An invalid gid gets no link."""
    parts = {
        "new_task": {"gid": "7", "name": "T"},
        "new_project": {"gid": '8"><script>', "name": "P"},
        "new_portfolio": {"gid": "9"},
    }
    jobs = frame(
        *(record(n, "succeeded", **{key: part}) for n, (key, part) in enumerate(parts.items(), 1)),
        record(4, "in_progress", new_task={"gid": "6", "name": "not yet"}),
        export(5, "succeeded", "08:00:00", "08:01:00"),
    )
    page = text_report(jobs)
    made = page.rows[page.rows.index(["Name", "Kind", "Job"]) + 1 :][:3]
    assert made == [["T", "task", "1"], ["P", "project", "2"], ["no name", "portfolio", "3"]]
    links = [attributes["href"] for tag, attributes, _ in page.elements if tag == "a"]
    assert links == [
        "https://app.asana.com/0/0/7", "https://app.asana.com/0/portfolio/9/list"
    ]  # fmt: skip


def test_columns_of_the_caller_are_shown(text_report):
    """With each job that is listed, as text; numbers have equally many decimals."""
    who = ["<b>", None, "Ana", "Bo", f"see {URL}", "Eva"]
    jobs = few().assign(who=who, cost=[1, 2.25, None, 4, 5, 6.5], at=at("08:00:00"))
    page = text_report(jobs, columns=["who", "cost", "at"], tz="Europe/Berlin")
    rows = {row[0]: row[-3:] for row in page.rows}
    assert rows["Job"] == ["who", "cost", "at"]
    time = "2026-11-24 09:00:00"
    assert rows["12"] == ["–", "2.25", time]
    assert rows["13"] == ["Ana", "–", time]
    assert rows["15"] == ["see https://s3.example/f.jsonl.gz?…", "5.00", time]
    assert any(row[0].startswith("<img") and row[-3:] == ["Bo", "4.00", time] for row in page.rows)
    assert any(row[-1] == "Eva" for row in text_report(jobs, columns="who").rows)


@pytest.mark.parametrize("columns", ["nope", ["gid", "nope"], ["double"]])
def test_columns_that_are_not_there_are_named(tmp_path, columns):
    """Nothing is written; the same holds for a name that two columns share."""
    jobs = pd.concat([few(), pd.Series(1, range(6), name="double")] * 2, axis=1)
    jobs = jobs.loc[:, ~jobs.columns.duplicated() | (jobs.columns == "double")]
    with pytest.raises(
        InvalidFrameError, match=columns if isinstance(columns, str) else columns[-1]
    ):
        jobs.asana.report(tmp_path / "r.html", columns=columns)
    assert list(tmp_path.iterdir()) == []


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
    assert any(row[0] == NAME for row in page.rows)
    assert any(row[-2] == evil for row in page.rows)
    assert any(f"k{evil}"[:20] in row[0] for row in page.rows)


def test_failures_say_why(text_report):
    """What a status means, or what Asana said, without a signature; and what to do next."""
    refused = pd.DataFrame({"gid": ["17"], "error.status": [400], "error.kind": ["http"]})
    page = text_report(pd.concat([few(), refused.assign(**{"error.message": f"see {URL}"})]))
    rows = {row[0]: row[1:] for row in page.rows}
    step = "Start it again; if it fails again, give Asana's support the gid of the job."
    assert rows["13"] == ["graph export", "✕failed", "Asana gives no reason", step]
    kind, state, reason, step = rows["1600000000000016"]
    assert step == "Read it with the token of the user who started it."
    assert (kind, state) == ("unknown kind", "!unreadable")
    assert reason == "404 not found, or not yours: only a job's creator can read it"
    assert rows["17"][2] == "400 see https://s3.example/f.jsonl.gz?…"


def test_jobs_that_were_not_started_are_failures_without_a_gid(text_report):
    """It is identified by its source."""
    jobs = pd.DataFrame(
        {"gid": [None, None], "source.gid": ["1203", None], "error.kind": ["http", "network"]}
    )
    page = text_report(jobs.assign(**{"error.message": "Forbidden"}))
    assert [row[0] for row in page.rows[-2:]] == ["of 1203", "none"]
    assert page.rows[-1][-2] == "Forbidden"


@pytest.mark.parametrize(
    ("cells", "step"),
    [
        ({"source.state": "refused", "error.status": 403}, "Resolve the reason"),
        ({"source.state": "not_sent"}, "no request was made"),
        ({"source.state": "unknown", "error.kind": "network"}, "Look in Asana whether"),
        ({"gid": "1", "error.status": 500, "error.kind": "http", "error.phrase": "6 sad squid"},
         "Read it again: jobs.asana.refresh(). Asana's support asks for: 6 sad squid"),
        ({"gid": "1", "error.status": 403, "error.kind": "http"}, "Read it with the token of"),
    ],
)  # fmt: skip
def test_each_failure_has_a_next_step(text_report, cells, step):
    """According to what is known about it."""
    jobs = pd.DataFrame([{"gid": None, **cells}])
    assert step in text_report(jobs).rows[-1][-1]


def test_files_are_listed_with_size_and_checksum(text_report, tmp_path):
    """With paths relative to the report, errors, and the exports that wait."""
    page = text_report(downloaded(tmp_path))
    rows = {row[0]: row[1:] for row in page.rows[-2:]}
    assert rows["11"] == ["graph export", "exports/11-graph.jsonl.gz", "96 MB", "ab" * 32]
    assert rows["17"][1] == "✕see https://s3.example/f.jsonl.gz?… <b>"
    assert "1 export ready to download." in page.texts("p", class_="dim")


def test_no_signature_and_no_folder_of_mine_is_in_it(tmp_path):
    """Reports are passed on: of files elsewhere only the name is shown."""
    (tmp_path / "there").mkdir()
    path = aj.asana_jobs_report(downloaded(tmp_path), tmp_path / "there" / "r.html", title=URL)
    html = path.read_text(encoding="utf-8")
    assert SIGNATURE not in html
    assert str(tmp_path) not in html
    assert "11-graph.jsonl.gz" in html
    other = downloaded(tmp_path).assign(**{"file.path": r"C:\Users\me\11-graph.jsonl.gz"})
    html = other.asana.report(tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Users" not in html


def boxes(page):
    """Return the left and the right end of the bars of both pictures."""
    found = [
        re.findall(r"M([\d.]+) [-\d.]+V[-\d.]+H([\d.]+)V", a["d"])
        for tag, a, _ in page.elements
        if tag == "path" and "fill-opacity: 0.92" in a.get("style", "")
    ]
    return [tuple(map(float, box)) for part in found for box in part]


def test_the_timeline_is_drawn_to_scale(report):
    """A bar's place and width are its times; the tooltip says it in words."""
    page = report(few(), tz="Europe/Berlin")
    (left, right), (begun, read) = sorted(boxes(page)[:2])
    assert read - begun == pytest.approx(3 * (right - left), abs=0.1)
    assert begun - left == pytest.approx(3 * (right - left), abs=0.1)
    told = page.texts("title")
    assert (
        "11: succeeded, 2026-11-24 09:00:00 to 2026-11-24 09:10:00, 10 min, reported by Asana"
        in told
    )
    assert any(title.startswith("12: in progress") and "(unfinished)" in title for title in told)
    assert "13: failed, 2026-11-24 09:20:00" in told
    assert not any(title.startswith("14:") for title in told)
    assert "2 jobs with unknown times not shown." in page.texts("p", class_="dim")[-2]
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
    looks = [a.get("style", "") for tag, a, _ in page.elements if tag == "path"]
    assert any("fill: var(--succeeded); fill-opacity: 0.38" in look for look in looks)
    assert any(title.endswith("1 min, observed") for title in page.texts("title"))
    assert any(f"{NAME[:27]}…  14" == text for text in page.texts("text"))


def test_names_that_no_font_here_has_are_text_for_the_readers_fonts(report):
    """The picture has letters, not outlines or boxes."""
    jobs = few().assign(**{"new_resource_export.name": "東京 🚀"})
    assert "東京 🚀  12" in report(jobs).texts("text")


def test_any_name_can_be_in_a_picture(report):
    """Also with characters that XML does not have, and with markup and entities."""
    names = [
        "a\x00b\uffffc\ufffe",
        "</text></svg><script>",
        "&lt;&#0;&nope;",
        "]]>",
        "\u202eabc",
    ]
    jobs = frame(*(export(n, "succeeded", "08:00:00", "08:10:00") for n in range(len(names))))
    page = report(jobs.assign(**{"new_task.name": names}))
    texts = page.texts("text")
    for n, name in enumerate(["a b c", *names[1:4], "abc"]):
        assert f"{name}  {n}" in texts
    assert "graph export" in texts
    assert page.texts("script") == []


def test_settings_of_plots_do_not_change_reports(drawn, report):
    """A dark style, other sizes and fonts are for the notebook."""
    plain = [attributes.get("style") for _, attributes, _ in drawn.elements]
    with plt.style.context(["dark_background", {"font.size": 30, "svg.fonttype": "path"}]):
        assert [attributes.get("style") for _, attributes, _ in report(few()).elements] == plain


@pytest.mark.slow
def test_many_jobs_stay_readable_and_small(report, tmp_path):
    """A few shapes instead of one element per job; long tables say how many more there are."""
    page = report(many(4000))
    drawn = [tag for tag, _, _ in page.elements if tag == "path"]
    assert len(drawn) < 60
    assert (tmp_path / "report.html").stat().st_size < 600_000
    more = [text for text in page.texts("p", class_="dim") if text.startswith("… and")]
    failed = int((many(4000)["status"] == "failed").sum())
    assert more[0] == f"… and {failed - MAX_ROWS:,} more."
    assert f"{failed} jobs: Asana gives no reason" in page.texts("p", class_="dim")
    text = " ".join(page.texts("p", class_="dim"))
    assert "800 jobs with unknown times not shown" in text


def test_light_dark_and_print(text_report):
    """Both sets of colours for each state, the dark ones on a screen that asks for them."""
    (style,) = text_report(few()).texts("style")
    light, _, rest = style.partition("@media screen and (prefers-color-scheme:dark)")
    dark, _, print_ = rest.partition("@media print")
    for style in STATE_STYLES.values():
        assert f"--{style.state}:{style.light}" in light
        assert f"--{style.state}:{style.dark}" in dark
    assert "break-inside:avoid" in print_


def test_every_color_of_the_picture_follows_the_theme(drawn):
    """All colors are variables or the color of the text."""
    fixed = [a for _, a, _ in drawn.elements if re.search("#[0-9a-f]{3}", a.get("style", ""))]
    assert fixed == []


@pytest.mark.parametrize("jobs", [few()[:0], pd.DataFrame({"gid": []})])
def test_nothing_is_a_report_too(text_report, jobs):
    """It says that there is nothing."""
    page = text_report(jobs)
    assert page.texts("p", class_="dim")[1:] == ["No jobs."]
    assert page.texts("h2") == ["Summary"]


def test_gids_alone_are_a_report_too(text_report):
    """States are unknown, and so are times."""
    page = text_report(pd.DataFrame({"gid": ["1", "2"]}))
    assert "2 unknown" in page.texts("p", class_="chips")[0]
    many_gids = text_report(pd.DataFrame({"gid": [str(gid) for gid in range(1, 100)]}))
    assert "No times are known for 99 jobs." in many_gids.texts("p", class_="dim")


def test_without_matplotlib_there_is_no_picture(text_report):
    """The rest is there, and the report says why."""
    page = text_report(few())
    assert page.texts("svg") == []
    assert "No picture: matplotlib was not installed." in page.texts("p", class_="dim")


def test_without_jinja_the_extra_is_named(tmp_path, monkeypatch):
    """What to install, without a chain of errors; nothing is written."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r"asana_jobs_pd\[report\]") as caught:
        few().asana.report(tmp_path / "r.html")
    assert caught.value.__context__ is None
    assert list(tmp_path.iterdir()) == []


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
    """``~`` is refused, with the reason."""
    monkeypatch.setattr(Path, "expanduser", _no_home)
    with pytest.raises(InvalidOptionError, match="no home folder"):
        few().asana.report("~/r.html")


def _no_home(_):
    raise RuntimeError("Could not determine home directory.")


def test_invalid_arguments_are_refused(tmp_path):
    """Invalid frames, zones and folders; nothing is written."""
    with pytest.raises(InvalidFrameError):
        pd.DataFrame({"a": [1]}).asana.report(tmp_path / "r.html")
    with pytest.raises(InvalidOptionError, match="tz="):
        few().asana.report(tmp_path / "r.html", tz="Mars")
    with pytest.raises(InvalidOptionError, match="no folder"):
        few().asana.report(tmp_path / "no" / "r.html")
    assert list(tmp_path.iterdir()) == []
