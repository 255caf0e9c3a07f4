"""HTML: nothing foreign gets through as markup, and colors are legible."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asana_jobs_pd._vocabulary import DARK_THEME, LIGHT_THEME, STATE_STYLES, contrast
from asana_jobs_pd._widget.job_list import JobRow, Page, Query
from asana_jobs_pd._widget.markup import (
    bar_html,
    clock_html,
    head_html,
    notice_html,
    static_html,
    static_text,
    table_html,
)
from asana_jobs_pd._widget.status import Clock, Notice, Snapshot
from asana_jobs_pd._widget.style import css

NOW = 1_767_225_600_000_000
TAGS = {"table", "colgroup", "col", "thead", "tbody", "tr", "th", "td", "a", "i", "span", "div"}
ATTRIBUTES = {"class", "title", "href", "target", "rel", "scope", "aria-label", "aria-hidden"}


class Seen(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, markup):
        super().__init__()
        self.tags, self.attributes, self.links, self.text = set(), set(), [], ""
        self.feed(markup)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}
        self.links += [value for name, value in attributes if name == "href"]

    def handle_data(self, data):
        self.text += data


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
        link=st.none() | st.just("77"),
        note=NASTY,
        since=st.none() | st.integers(0, NOW),
        created=st.booleans(),
        ended=st.none() | st.integers(0, NOW),
    ),
    max_size=25,
    min_size=1,
)


@given(ROWS)
def test_a_table_holds_no_markup_but_its_own(rows):
    """Whatever names, kinds and states are, tags, attributes and links are ours."""
    markup = table_html(Page(tuple(rows), 0, len(rows), 0, 1), Query(), NOW)
    seen = Seen(markup)
    assert seen.tags <= TAGS
    assert seen.attributes <= ATTRIBUTES | {"aria-sort"}
    assert set(seen.links) <= {"https://app.asana.com/0/0/77"}
    assert "X-Amz-Signature=abc" not in markup
    assert "\u202e" not in markup


@given(ROWS)
def test_neither_do_the_static_tables(rows):
    """They are saved with the notebook."""
    now = Snapshot("done", len(rows), 0, {"<b>": 1, "succeeded": 2})
    markup, text = static_html(rows, now, NOW, 25), static_text(rows, now, NOW, 25)
    assert Seen(markup).tags <= TAGS | {"p", "b"} - {"colgroup"}
    assert set(Seen(markup).links) <= {"https://app.asana.com/0/0/77"}
    assert "X-Amz-Signature=abc" not in markup + text
    assert "\x00" not in text


def test_a_page_is_small_on_the_wire():
    """2 of 20 kB are for everything else; the worst names need escapes, or four bytes each."""
    for sign in "<\"'&é字🚀x":
        rows = tuple(
            JobRow("9" * 19, "in_progress", sign * 500, sign * 900, "7" * 19, "", 5, True, 6)
            for _ in range(25)
        )
        assert len(table_html(Page(rows, 0, 25, 0, 1), Query(), NOW).encode()) < 18_000


def test_heads_and_bars():
    """Counts with a mark and a label; a bar with its meaning for screen readers."""
    now = Snapshot("watching", 4, 1, {"succeeded": 2, "in_progress": 1, "failed": 1, "a<b": 0})
    assert Seen(head_html(now, Notice("Paused & <b>", "wait"))).tags <= {"span", "i"}
    assert "2 succeeded" in head_html(now, Notice())
    assert 'aria-label="Of 4 jobs: 2 succeeded, 1 in progress, 1 failed' in bar_html(now)
    assert re.findall(r"width:([\d.]+)%", bar_html(now)) == ["50.00", "25.00", "25.00"]
    assert "width" not in bar_html(Snapshot())


def test_notices():
    """Empty without a text; else escaped."""
    assert notice_html(Notice("x")) == ""
    assert "&lt;b&gt;" in notice_html(Notice("x", "bad", "<b>"))


def test_a_countdown_needs_no_message():
    """All its numbers are sent at the start; CSS does the rest."""
    markup = clock_html(Clock("next check", 9.0, 3, 96), 1500)
    assert "in 3 s\nin 2 s\nin 1 s\nin 0 s" in markup
    assert "3s steps(3)" in markup
    assert "96 of 1,500 requests" in markup
    assert clock_html(Clock(), None) == "<span></span>"


def test_ages_and_durations_have_exact_times_on_hover():
    """And say what they count from."""
    row = JobRow("1", "succeeded", since=NOW - 90_000_000, created=True, ended=NOW)
    markup = table_html(Page((row,), 0, 1, 0, 1), Query(column="age", descending=True), NOW)
    assert 'title="created 2025-12-31 23:58:30 UTC">1 min<' in markup
    assert 'title="completed 2026-01-01 00:00:00 UTC">1 min 30 s<' in markup
    assert 'aria-sort="descending">Age' in markup
    seen = JobRow("1", since=NOW)
    assert "first seen" in table_html(Page((seen,), 0, 1, 0, 1), Query(), NOW)


def test_empty_tables_say_why():
    """No jobs, or none that matches."""
    nothing = Page((), 0, 0, 0, 1)
    assert "No jobs." in table_html(nothing, Query(), NOW)
    assert "No matching jobs. Clear the filter to show all." in table_html(nothing, Query("x"), NOW)


@pytest.mark.parametrize(("theme", "dark"), [(LIGHT_THEME, False), (DARK_THEME, True)])
def test_everything_can_be_read(theme, dark):
    """Texts and states have a contrast of 4.5:1 on every ground, edges of controls of 3:1."""
    grounds = [theme[name] for name in ("bg", "soft", "hover")]
    texts = [style.color(dark=dark) for style in STATE_STYLES.values()]
    texts += [theme[name] for name in ("fg", "dim", "accent")]
    for ground in grounds:
        assert all(contrast(text, ground) >= 4.5 for text in texts)
        assert contrast(theme["edge"], ground) >= 3
    assert contrast("#ffffff", "#0b5fcc") >= 4.5  # the button that stands out
    assert contrast("#ffffff", "#094fab") >= 4.5


def test_the_style_sheet_uses_what_it_defines():
    """Each of its variables is set, in both themes, and nothing is loaded from anywhere."""
    sheet = css()
    used = set(re.findall(r"var\((--aj-[\w-]+)", sheet))
    light, dark = sheet.split("color-scheme:light")[0], sheet.split("color-scheme:dark")[0]
    for name in used - {"--aj-n"}:
        assert f"{name}:" in light
        assert f"{name}:" in dark[len(light) :]
    assert "url(" not in sheet
    assert "@import" not in sheet
    assert len(sheet) < 12_000
