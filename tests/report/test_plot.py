"""Plots: what is on the Axes."""

from __future__ import annotations

import functools
import sys
import warnings
from datetime import timedelta, timezone
from zoneinfo import ZoneInfo

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from made import NAME, SIGNATURE, at, export, few, frame, many, record

from asana_jobs_pd._report.plot import zone_name, zone_of
from asana_jobs_pd._vocabulary import STATE_STYLES
from asana_jobs_pd.errors import InvalidFrameError, InvalidOptionError, MissingExtraError

mpl.use("Agg")
from matplotlib import dates
from matplotlib import pyplot as plt
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex


@pytest.fixture(autouse=True)
def closed_figures():
    """No figure of another test."""
    plt.close("all")
    yield
    plt.close("all")


def bars(ax, label):
    """Return when the bars of a label begin and end, as times."""
    found = [part for part in ax.collections if part.get_label() == label]
    boxes = [path.get_extents() for part in found for path in part.get_paths()]
    return [
        tuple(pd.Timestamp(dates.num2date(x)).round("ms") for x in (box.x0, box.x1))
        for box in boxes
    ]


def words(ax):
    legend = ax.get_legend()
    return [text.get_text() for text in (legend.get_texts() if legend else [])]


def labels(ax):
    return [tick.get_text() for tick in ax.get_yticklabels()]


def test_a_timelines_bars_are_the_times_of_the_jobs():
    """One collection a state, from created_at to completed_at, or to fetched_at."""
    ax = few().asana.plot.timeline()
    assert bars(ax, "succeeded") == [(at("08:00:00"), at("08:10:00"))]
    assert bars(ax, "in progress") == [(at("08:30:00"), at("09:00:00"))]
    assert bars(ax, "failed") == []


def test_running_jobs_have_an_open_end():
    """It fades out after the time of the read, in steps."""
    ax = few().asana.plot.timeline()
    tails = [part for part in ax.collections if part.get_label() == "_open end"]
    begins = [bar[0] for bar in bars(ax, "_open end")]
    assert min(begins) == at("09:00:00")
    for tail in tails:
        alphas = tail.get_facecolor()[:, 3].tolist()
        assert len(alphas) == 10
        assert alphas == sorted(alphas, reverse=True)
    finished = few().iloc[[0, 2]].asana.plot.timeline()
    assert bars(finished, "_open end") == []


def test_observed_times_are_pale():
    """Bars from a monitor's history differ from what Asana reports, also in the legend."""
    history = pd.DataFrame(
        {
            "gid": ["14", "14"],
            "status": ["in_progress", "succeeded"],
            "at": [at("08:05:00"), at("08:06:00")],
        }
    )
    ax = few().asana.plot.timeline(history=history)
    assert bars(ax, "succeeded, observed") == [(at("08:05:00"), at("08:06:00"))]
    alpha = {
        part.get_label(): part.get_facecolor()[0][3]
        for part in ax.collections
        if isinstance(part, PolyCollection)
    }
    assert alpha["succeeded, observed"] < 0.5 < alpha["succeeded"]
    assert "pale: observed" in words(ax)


def test_moments_and_failures_are_marked():
    """What failed has a cross, what is known at one moment only a dot."""
    ax = few().asana.plot.timeline()
    spots = {part.get_label(): part.get_offsets()[:, 0] for part in ax.collections}
    assert list(spots["_failed"]) == [dates.date2num(at("08:20:00"))]
    assert list(spots["_moment"]) == [dates.date2num(at("09:00:00"))]


def test_each_job_of_a_few_is_named_and_jobs_without_times_are_counted():
    """Labels under their kinds; one line for the jobs that are not drawn; the legend counts."""
    ax = few().asana.plot.timeline()
    assert len(labels(ax)) == 4 + 3
    assert {"graph export", "duplicate project", "12"} <= set(labels(ax))
    assert ax.get_xlabel() == "time (UTC) · 2 jobs with unknown times not shown"
    assert list(ax.texts) == []
    assert words(ax)[:2] == ["succeeded (1)", "in progress (1)"]


@pytest.mark.parametrize("name", ["kind", "state", "start", "line"])
def test_labels_are_the_callers_whatever_their_column_is_called(name):
    """Columns of ours, in frames inside, do not get in the way."""
    ax = few().assign(**{name: "mine"}).asana.plot.timeline(label=name)
    assert "mine  12" in labels(ax)


def test_names_are_no_formulas_and_hold_no_signature():
    """A dollar sign is shown as such, and a signed URL in a name is masked."""
    bad = frame(
        record(1, "succeeded", new_task={"gid": "1", "name": r"$\nope{ $5"}),
        record(2, "$x^2$ $", new_task={"gid": "1", "name": f"a?X-Amz-Signature={SIGNATURE}"}),
        record(3, "succeeded", subtype="$kind_$ $\\bad{"),
    )
    timed = bad.assign(mine=at("08:00:00"))
    timeline = functools.partial(timed.asana.plot.timeline, start="mine", end="mine")
    for draw in (timeline, bad.asana.plot.status):
        ax = draw()
        ax.figure.canvas.draw()
        assert "$x^2$ $ (1)" in words(ax)
        assert not any(SIGNATURE[:6] in label for label in labels(ax))
        assert any("$\\bad{" in label for label in labels(ax))
    assert r"$\nope{ $5  1" in labels(timeline())
    jobs = few().assign(mine=at("08:00:00"))
    assert NAME[:27] + "…  14" in labels(jobs.asana.plot.timeline(start="mine"))


def test_thousands_stay_readable_and_quick():
    """Their kinds are the labels, the figure does not grow, and a collection a state draws them."""
    ax = many(1500).asana.plot.timeline()
    assert [label.split("  ")[0] for label in labels(ax)] == ["graph export", "resource export"]
    assert ax.figure.get_figheight() < 8
    assert "300 jobs with unknown times not shown" in ax.get_xlabel()
    assert len(bars(ax, "succeeded")) == 600
    assert len(ax.collections) < 20
    ax.figure.canvas.draw()


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_the_axis_names_its_zone(zone):
    """UTC unless asked otherwise; the ticks are in it."""
    ax = few().asana.plot.timeline(tz=zone)
    ax.figure.canvas.draw()
    assert ax.get_xlabel().startswith(f"time ({zone or 'UTC'}) ·")
    told = [tick.get_text() for tick in ax.get_xticklabels()]
    assert ("09:00" in told) == (zone is not None) or "08:30" in told
    assert ax.xaxis.get_major_formatter()._tz.utcoffset(at("08:00:00")) == pd.Timedelta(
        hours=0 if zone is None else 1
    )


@pytest.mark.parametrize("style", ["default", "dark_background"])
@pytest.mark.parametrize("verb", ["timeline", "status"])
def test_colours_follow_the_ground(style, verb):
    """Light colors on a dark style, dark ones on a light style."""
    with plt.style.context(style):
        ax = getattr(few().asana.plot, verb)()
    colours = {to_hex(handle.get_facecolor()) for handle in ax.get_legend().get_patches()}
    dark = style == "dark_background"
    assert {
        STATE_STYLES["succeeded"].color(dark=dark),
        STATE_STYLES["failed"].color(dark=dark),
    } <= colours


def test_a_ground_that_can_be_seen_through_is_taken_for_paper():
    """Anything may be behind it; the colors for light backgrounds are safer."""
    figure = plt.figure(facecolor="none")
    ax = few().asana.plot.status(ax=figure.add_subplot(facecolor="none"))
    assert to_hex(ax.patches[0].get_facecolor()) == STATE_STYLES["succeeded"].light


def test_status_counts_each_kind():
    """A bar a state, stacked, kinds by size; a repeated gid counts once."""
    jobs = pd.concat([many(100), many(100).head(10)])
    ax = jobs.asana.plot.status()
    summary = jobs.asana.summary().drop(index="total")
    assert labels(ax) == ["graph export", "resource export", "duplicate task"]
    drawn = {bar.get_label().split(" (")[0]: list(bar.datavalues) for bar in ax.containers}
    order = ["graph_export_request", "export_request", "duplicate_task"]
    for state, word in (("succeeded", "succeeded"), ("in_progress", "in progress")):
        assert drawn[word] == summary.loc[order, state].tolist()
    ends = np.sum(list(drawn.values()), axis=0)
    assert list(ends) == summary.loc[order, "total"].tolist()


def counts(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


@pytest.mark.parametrize("figsize", [(10, 3), (4, 3)])
def test_status_shows_every_count(figsize):
    """Where a bar is too narrow, small counts follow the total, with the state's mark."""
    states = ["succeeded"] * 997 + ["failed"] * 2 + ["in_progress"]
    ax = frame(*(record(n, state) for n, state in enumerate(states))).asana.plot.status(
        figsize=figsize
    )
    ax.figure.canvas.draw()
    assert sorted(counts(ax)) == sorted(["1,000", "997", "● 1", "✕ 2"])
    texts = [text for text in ax.texts if text.get_text() in ("● 1", "✕ 2")]
    boxes = [text.get_window_extent() for text in texts]
    assert boxes[0].x1 < boxes[1].x0
    assert boxes[1].x1 <= ax.figure.bbox.x1
    assert to_hex(texts[1].get_color()) == STATE_STYLES["failed"].light


def test_many_kinds_have_labels_that_do_not_overlap():
    """The smallest ones share a line, with their number."""
    jobs = frame(*(record(n, "in_progress", f"kind_{n % 30}") for n in range(100)))
    ax = jobs.asana.plot.timeline()
    ax.figure.canvas.draw()
    assert len(labels(ax)) == 12
    assert "other kinds" in " ".join(labels(ax))
    assert sum(int(label.split("  ")[1]) for label in labels(ax)) == 100
    boxes = sorted(label.get_window_extent().y0 for label in ax.get_yticklabels())
    height = ax.get_yticklabels()[0].get_window_extent().height
    assert np.diff(boxes).min() > height


def test_no_setting_of_matplotlib_or_of_warnings_is_changed(tmp_path):
    """Neither by plots nor by reports."""
    before = dict(mpl.rcParams), list(warnings.filters)
    few().asana.plot.timeline().figure.canvas.draw()
    few().asana.plot.status().figure.canvas.draw()
    few().asana.report(tmp_path / "r.html")
    assert (dict(mpl.rcParams), list(warnings.filters)) == before


@pytest.mark.parametrize("verb", ["timeline", "status"])
def test_habits_of_pandas(verb):
    """Draws on ``ax=`` and returns it; title, legend, figsize and keyword arguments."""
    figure, ax = plt.subplots()
    draw = getattr(few().asana.plot, verb)
    assert draw(ax=ax, title="T", legend=False, alpha=0.5) is ax
    assert ax.get_title(loc="left") == "T"
    assert ax.get_legend() is None
    drawn = ax.collections[0] if verb == "timeline" else ax.patches[0]
    assert drawn.get_alpha() == 0.5
    assert plt.get_fignums() == [figure.number]
    assert list(draw(figsize=(5, 4)).figure.get_size_inches()) == [5, 4]


@pytest.mark.parametrize("verb", ["timeline", "status"])
@pytest.mark.parametrize("jobs", [few()[:0], pd.DataFrame({"gid": ["1"]}), few()[3:4]])
def test_little_is_drawn_too(verb, jobs):
    """No jobs, no columns, no times: the picture says so, without a warning."""
    ax = getattr(jobs.asana.plot, verb)()
    ax.figure.canvas.draw()
    said = [text.get_text() for text in ax.texts]
    if not len(jobs):
        assert said == ["no jobs"]
    elif verb == "timeline":
        assert said == ["1 job with unknown times"]


def test_one_moment_has_a_width():
    """An axis of a single moment is a minute wide, not years."""
    ax = frame(record(1, "in_progress")).asana.plot.timeline()
    low, high = ax.get_xlim()
    assert high - low == pytest.approx(1 / 1440)


def test_invalid_arguments_are_refused():
    """Invalid axes, zones and frames are errors."""
    with pytest.raises(InvalidOptionError, match="not a str"):
        few().asana.plot.status(ax="x")
    with pytest.raises(InvalidOptionError, match="Mars/Base"):
        few().asana.plot.timeline(tz="Mars/Base")
    with pytest.raises(InvalidFrameError, match="gid"):
        _ = pd.DataFrame({"a": [1]}).asana.plot


@pytest.mark.parametrize("verb", ["timeline", "status"])
def test_without_matplotlib_the_extra_is_named(verb, monkeypatch):
    """What to install, without a chain of errors."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"asana_jobs_pd\[plot\]") as caught:
        getattr(few().asana.plot, verb)()
    assert isinstance(caught.value, ImportError)
    assert caught.value.__context__ is None


NAMES = [
    "東京 🚀",
    "مشروع",
    "עברית",
    "한국어",
    "हिन्दी",
    "ไทย",
    "👩‍💻",
    "☃️",
    "a\u0301\u200b",
    "\ue000",
    "𝕏",
]


@pytest.mark.parametrize("verb", ["timeline", "status"])
def test_names_in_any_script_are_drawn_without_warnings(verb):
    """With a font that has them; without one as boxes. Latin letters stay."""
    jobs = frame(
        *(
            record(n, name, name, new_task={"gid": "1", "name": name})
            for n, name in enumerate(NAMES)
        )
    )
    ax = getattr(jobs.asana.plot, verb)(title="x ".join(NAMES))
    ax.figure.canvas.draw()
    assert ax.get_title(loc="left").count("x ") == len(NAMES) - 1


@pytest.mark.parametrize("verb", ["timeline", "status"])
def test_names_are_drawn_with_an_installed_font(verb):
    """Also if the configured one lacks their script, as this one lacks Cyrillic."""
    jobs = few().assign(resource_subtype="Привет", who="Ёлка")
    with plt.style.context({"font.family": "cmr10", "axes.formatter.use_mathtext": True}):
        ax = getattr(jobs.asana.plot, verb)(**({"label": "who"} if verb == "timeline" else {}))
        ax.figure.canvas.draw()
    assert "Привет" in labels(ax)
    assert verb == "status" or "Ёлка  12" in labels(ax)


@pytest.mark.parametrize(
    ("start", "end", "zone", "more"),
    [
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", None, 0),
        ("0001-01-01T00:00:00Z", "0001-02-01T00:00:00Z", "America/New_York", 0),
        ("0001-01-01T00:00:00Z", "0001-02-01T00:00:00Z", None, 50),
        ("9999-12-31T00:00:00Z", "9999-12-31T23:59:59.999999Z", None, 0),
        ("9999-12-31T00:00:00Z", "9999-12-31T23:59:59.999999Z", "Asia/Tokyo", 50),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "Asia/Tokyo", 0),
        ("0900-01-01T00:00:00Z", "1100-01-01T00:00:00Z", None, 0),
    ],
)
def test_the_first_and_the_last_years(tmp_path, start, end, zone, more):
    """Plots and reports show them; no zone and no margin leaves what Python's times can hold."""
    export_ = {"gid": "9", "created_at": start, "completed_at": end}
    far = record(1, "succeeded", "graph_export_request", new_graph_export=export_)
    near = [export(n, "succeeded", "08:00:00", "09:00:00") for n in range(2, more + 2)]
    jobs = frame(far, *near)
    ends = np.full(len(jobs), end.rstrip("Z"), "datetime64[us]")
    jobs["fetched_at"] = pd.Series(ends).dt.tz_localize("UTC")
    ax = jobs.asana.plot.timeline(tz=zone)
    ax.figure.canvas.draw()
    assert ax.get_xlim()[0] < ax.get_xlim()[1]
    if not more:  # the picture is the same
        html = jobs.asana.report(tmp_path / "r.html", tz=zone).read_text(encoding="utf-8")
        assert zone is not None or f"read {end[:10]} {end[11:19]}" in html


def test_the_frame_is_left_alone():
    """A picture changes nothing."""
    jobs = frame(export(1, "succeeded", "08:00:00", "08:10:00"))
    before = jobs.copy(deep=True)
    jobs.asana.plot.timeline(), jobs.asana.plot.status()
    pd.testing.assert_frame_equal(jobs, before)


def test_times_and_zones():
    """UTC by default; a fixed offset has its own name."""
    assert zone_name(ZoneInfo("Europe/Berlin")) == "Europe/Berlin"
    assert zone_name(zone_of(None)) == "UTC"
    assert zone_name(zone_of(timezone(timedelta(hours=2)))) == "UTC+02:00"


@pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd", 5, ""])
def test_an_invalid_zone_is_named(zone):
    """In the error."""
    with pytest.raises(InvalidOptionError, match="tz="):
        zone_of(zone)
