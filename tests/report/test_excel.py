"""Excel files that open as they were."""

from __future__ import annotations

import datetime as dt
import decimal
import errno
import os
import sys
import tempfile
import zipfile
from zoneinfo import ZoneInfo

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st
from made import SIGNATURE, URL, few

import asana_jobs_pd as aj
from asana_jobs_pd._report import excel
from asana_jobs_pd._report.excel import MAX_CELL_TEXT, sheet_column
from asana_jobs_pd.errors import (
    AsanaValueWarning,
    ExportWriteError,
    InvalidFrameError,
    InvalidOptionError,
    MissingExtraError,
)

GID = "1208000000004806123"


def written(jobs, tmp_path):
    """Return the cells of the sheet of jobs by the names of columns, and the book."""
    book = openpyxl.load_workbook(jobs.asana.to_excel(tmp_path / "jobs.xlsx"))
    header, *rows = book["Jobs"].iter_rows()
    return {name.value: [row[place] for row in rows] for place, name in enumerate(header)}, book


def naive(text):
    return dt.datetime.fromisoformat(text)


def values(cells):
    return [cell.value for cell in cells]


def test_every_column_is_there_and_reads_back(tmp_path):
    """In order, gids as text, missing as empty, numbers as numbers."""
    jobs = few().assign(gid=GID, mine=[1.5, None, 2, 3, 4, 5], yes=True)
    cells, _ = written(jobs, tmp_path)
    assert [name.removesuffix(" (UTC)") for name in cells] == list(jobs.columns)
    assert values(cells["gid"]) == [GID] * 6
    assert {cell.number_format for cell in cells["gid"]} == {"@"}
    assert values(cells["status"])[:2] == ["succeeded", "in_progress"]
    assert values(cells["status"])[5] is None
    assert values(cells["error.status"]) == [None] * 5 + [404]
    assert values(cells["mine"])[:3] == [1.5, None, 2]
    assert [cell.data_type for cell in cells["yes"]] == ["b"] * 6
    back = pd.read_excel(tmp_path / "jobs.xlsx", dtype={"gid": "string"})
    assert list(back.asana.pending["gid"]) == [GID] * 2


def test_times_are_utc_and_say_so(tmp_path):
    """Excel's own times, to the millisecond, from any zone; the header names UTC."""
    berlin = pd.Series(pd.Timestamp("2026-11-24T10:00:00.1234", tz="Europe/Berlin"), range(6))
    cells, _ = written(few().assign(when=berlin, naive=pd.Timestamp("2026-01-01")), tmp_path)
    assert values(cells["new_graph_export.created_at (UTC)"])[0] == naive("2026-11-24T08:00")
    assert values(cells["when (UTC)"])[0] == naive("2026-11-24T09:00:00.123")
    assert values(cells["naive"])[0] == naive("2026-01-01")
    assert cells["when (UTC)"][0].is_date
    assert values(cells["new_graph_export.created_at (UTC)"])[1] is None


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "{=1}", "=A1&B1"])
def test_nothing_runs_as_a_formula(tmp_path, text):
    """Cells and headers are texts, unchanged, and stay so when they are edited."""
    cells, book = written(few().assign(**{text: text}), tmp_path)
    (name,) = [name for name in cells if name.strip() == text.strip()]
    assert {cell.data_type for cell in cells[name]} == {"s"}
    assert cells[name][0].value == text
    assert cells[name][0].quotePrefix == (not text.startswith("{"))
    assert all(cell.data_type == "s" for cell in next(book["Jobs"].iter_rows()))


def test_nothing_is_linked_and_no_signature_is_written(tmp_path):
    """URLs are texts without their signature, wherever they stand."""
    jobs = few().assign(mine=URL, listed=[[URL]] * 6)
    cells, _ = written(jobs, tmp_path)
    assert cells["mine"][0].value == "https://s3.example/f.jsonl.gz?…"
    assert cells["new_graph_export.download_url"][0].value.endswith("?…")
    assert all(cell.hyperlink is None for column in cells.values() for cell in column)
    with zipfile.ZipFile(tmp_path / "jobs.xlsx") as parts:
        for name in parts.namelist():
            assert SIGNATURE.encode() not in parts.read(name)
            assert "external" not in name.lower()


def test_a_text_that_is_too_long_is_cut_with_a_warning(tmp_path):
    """A warning names the column, the second sheet too; characters are counted as Excel does."""
    long = ["a" * 40_000, "😀" * 20_000, "a" * MAX_CELL_TEXT, "😀" * 16_383, "ab", None]
    with pytest.warns(AsanaValueWarning, match="2 texts .* 'mine'"):
        cells, book = written(few().assign(mine=long), tmp_path)
    for cell, text in zip(values(cells["mine"]), long, strict=True):
        if text in long[:2]:
            assert cell.endswith("…")
            assert MAX_CELL_TEXT - 1 <= len(cell.encode("utf-16-le")) / 2 <= MAX_CELL_TEXT
        else:
            assert cell == text
    about = [row[1].value for row in book["About"].iter_rows()]
    assert any(str(line).startswith("mine: 2 texts") for line in about)


def test_the_second_sheet_says_what_was_done(tmp_path):
    """Rows, zone, gids, URLs."""
    _, book = written(few(), tmp_path)
    about = {row[0].value: row[1].value for row in book["About"].iter_rows()}
    assert about["rows"] == 6
    assert about["times"].startswith("UTC")
    assert {"gids", "URLs", "written by", "written (UTC)"} <= set(about)
    assert "cut" not in about


def test_it_prints_on_sensible_pages(tmp_path):
    """In landscape, as wide as a page, or as several if one could not be read; heads on each."""
    _, book = written(few()[["gid", "status"]], tmp_path)
    wide = few().assign(**{f"mine {n}": "x" * 40 for n in range(10)})
    _, wide_book = written(wide, tmp_path)
    for sheet in (book["Jobs"], book["About"], wide_book["Jobs"]):
        assert sheet.page_setup.orientation == "landscape"
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
        assert sheet.page_setup.fitToHeight == 0
        pages = sheet.page_setup.fitToWidth or 1
        assert (pages > 2) == (sheet is wide_book["Jobs"])
    for sheet in (book["Jobs"], wide_book["Jobs"]):
        assert (sheet.print_title_rows, sheet.print_title_cols) == ("$1:$1", "$A:$A")


def test_characters_that_no_sheet_may_have_are_replaced():
    """Controls and halves of pairs; lines end in one way; what looks like an escape stays."""
    texts = pd.Series(["a\x00b\x1b\ud800\uffff", "a\r\nb\rc\n\td", "_x0041_"], dtype=object)
    assert sheet_column(texts.rename("x")).cells == ["a�b���", "a\nb\nc\n\td", "_x0041_"]


def test_texts_that_look_like_escapes_are_escaped(tmp_path):
    """For Excel ``_x0041_`` is an ``A``: names of that form are escaped so that they stay."""
    path = few().assign(mine="_x0041_").asana.to_excel(tmp_path / "jobs.xlsx")
    with zipfile.ZipFile(path) as parts:
        assert b">_x005F_x0041_<" in parts.read("xl/worksheets/sheet1.xml")


def test_numbers_and_times_that_excel_cannot_hold_are_texts():
    """More than 15 digits, infinity, years before 1900; gids of any dtype."""
    cells = {
        name: sheet_column(pd.Series(column, dtype=object, name=name)).cells
        for name, column in {
            "n": [10**15 - 1, 10**15, -(10**16), np.int64(5), np.float64("inf"), float("nan")],
            "t": [pd.Timestamp("1850-01-01"), pd.Timestamp("2026-01-01", tz="UTC"), pd.NaT],
            "x.gid": [12, None],
            "o": [True, [1, 2], {"a": URL}, pd.Timedelta("1h"), pd.NA],
        }.items()
    }
    assert cells["n"] == [10**15 - 1, "1000000000000000", "-10000000000000000", 5, "inf", None]
    assert cells["t"] == ["1850-01-01T00:00:00", naive("2026-01-01"), None]
    assert cells["x.gid"] == ["12", None]
    assert cells["o"][:2] == [True, "[1, 2]"]
    assert SIGNATURE not in cells["o"][2]
    assert cells["o"][3:] == ["0 days 01:00:00", None]
    old = pd.Series(np.array(["1899-12-31", "9999-12-31T12:00"], "M8[us]"), name="d")
    assert sheet_column(old).cells == ["1899-12-31T00:00:00", "9999-12-31T12:00:00"]


DAY, TIME = dt.date(2026, 1, 2), naive("2026-01-02T03:04:05.678900")
COLUMNS = {
    "Arrow date": (pd.array([DAY, None], "date32[day][pyarrow]"), DAY),
    "Arrow date64": (pd.array([DAY, None], "date64[ms][pyarrow]"), DAY),
    "dates": (pd.Series([DAY, None], dtype=object), DAY),
    "Arrow time": (pd.array([TIME, None], "timestamp[us][pyarrow]"), "2026-01-02T03:04:05.679"),
    "Arrow seconds": (pd.array([TIME, None], "timestamp[s][pyarrow]"), "2026-01-02T03:04:05"),
    "Arrow time of a zone": (
        pd.array([pd.Timestamp(TIME, tz="Asia/Tokyo"), None],
                 pd.ArrowDtype(pa.timestamp("ns", "Asia/Tokyo"))),
        "2026-01-01T18:04:05.679",
    ),
    "seconds": (np.array([TIME, "NaT"], "M8[s]"), "2026-01-02T03:04:05"),
    "times of a zone": (pd.Series([pd.Timestamp(TIME, tz="Asia/Tokyo"), None], dtype=object),
                        "2026-01-01T18:04:05.679"),
    "timedelta": (pd.to_timedelta([1, None], "D"), "1 days 00:00:00"),
    "Arrow duration": (pd.array([dt.timedelta(1), None], "duration[us][pyarrow]"),
                       "1 days 00:00:00"),
    "Arrow time of day": (pd.array([TIME.time(), None], "time64[us][pyarrow]"), "03:04:05.678900"),
    "Arrow decimal": (pd.array([decimal.Decimal("1.50"), None],
                               pd.ArrowDtype(pa.decimal128(5, 2))), "1.50"),
    "Arrow number": (pd.array([7, None], "int64[pyarrow]"), 7),
    "Arrow gid.gid": (pd.array([7, None], "int64[pyarrow]"), "7"),
    "Arrow list": (pd.Series([["a"], None], dtype=pd.ArrowDtype(pa.list_(pa.string()))), "['a']"),
    "period": (pd.PeriodIndex(["2026-01", None], freq="M"), "2026-01"),
    "old date": (pd.Series([dt.date(1, 1, 1), None], dtype=object), "0001-01-01"),
    "old Arrow date": (pd.array([dt.date(9999, 12, 31), None], "date32[day][pyarrow]"),
                       "9999-12-31"),
    "old time": (np.array(["0001-01-01T00:00:00", "NaT"], "M8[us]"), "0001-01-01T00:00:00"),
    "last time": (np.array(["9999-12-31T23:59:59.999999", "NaT"], "M8[us]"),
                  "9999-12-31T23:59:59.999999"),
    "first time of a zone": (
        pd.Series([dt.datetime(1, 1, 1, tzinfo=ZoneInfo("Asia/Tokyo")), None], dtype=object),
        "0001-01-01T00:00:00+09:18:59",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def sheet(tmp_path_factory):
    """The cells of a sheet with all these columns."""
    jobs = few().iloc[:2].assign(**{name: values_ for name, (values_, _) in COLUMNS.items()})
    return written(jobs, tmp_path_factory.mktemp("excel"))[0]


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_every_kind_are_written(sheet, name):
    """Dates and times as Excel's own where it has them, the others as text; gaps stay gaps."""
    expected = COLUMNS[name][1]
    column = sheet.get(name) or sheet[f"{name} (UTC)"]
    first, gap = values(column)
    if isinstance(expected, dt.date):
        assert column[0].is_date
        assert column[0].number_format == "yyyy-mm-dd"
        first = first.date()
    elif isinstance(first, dt.datetime):
        first = first.isoformat(timespec="auto").removesuffix("000")
    assert (first, gap) == (expected, None)


@given(st.lists(st.text(max_size=40) | st.none(), min_size=1, max_size=4))
def test_any_text_is_legal_xml_or_replaced(texts):
    """Whatever it is, what is written can be read."""
    cells = sheet_column(pd.Series(texts, dtype=object, name="x")).cells
    for text, cell in zip(texts, cells, strict=True):
        assert (cell is None) == (text is None)
        if cell is not None:
            cell.encode("utf-8")
            assert not any(ord(sign) < 32 and sign not in "\n\t" for sign in cell)


@pytest.mark.parametrize(
    "jobs",
    [
        few()[:0],
        pd.DataFrame({"gid": [1, 2]}),
        few().set_index("gid"),
        few()[["gid", "gid"]].iloc[:, :1],
    ],
)
def test_other_frames_are_written_too(jobs, tmp_path):
    """Empty, gids alone as numbers, gids in the index."""
    cells, _ = written(jobs, tmp_path)
    assert values(cells["gid"]) == [str(gid) for gid in (jobs.get("gid", jobs.index.array))]


def test_frames_larger_than_a_sheet_are_refused(tmp_path, monkeypatch):
    """Before anything is written, with the limit and alternatives."""
    monkeypatch.setattr(excel, "MAX_ROWS", 6)
    with pytest.raises(InvalidFrameError, match=r"6 rows .* can hold 5 .* to_parquet"):
        few().asana.to_excel(tmp_path / "jobs.xlsx")
    assert list(tmp_path.iterdir()) == []
    assert excel.MAX_COLUMNS == 16_384


def test_a_path_that_excel_would_not_open_is_refused(tmp_path):
    """Another suffix, or a missing folder."""
    with pytest.raises(InvalidOptionError, match=r"\.xlsx"):
        few().asana.to_excel(tmp_path / "jobs.xls")
    with pytest.raises(InvalidOptionError, match="no folder"):
        few().asana.to_excel(tmp_path / "no" / "jobs.xlsx")


def test_without_xlsxwriter_the_extra_is_named(tmp_path, monkeypatch):
    """What to install."""
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(MissingExtraError, match=r"asana_jobs_pd\[excel\]"):
        few().asana.to_excel(tmp_path / "jobs.xlsx")


@pytest.mark.parametrize("moment", ["add_worksheet", "close"])
@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EACCES, "permission denied"),
        (errno.EIO, "the disk reported an input/output error"),
    ],
)
def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch, moment, number, reason):
    """And nothing beside it; the error names the file and the problem."""
    path = tmp_path / "jobs.xlsx"
    path.write_bytes(b"old")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))

    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(xlsxwriter.Workbook, moment, fail)
    with pytest.raises(ExportWriteError, match=f"jobs.xlsx: {reason}"):
        aj.asana_jobs_to_excel(few(), path)
    assert path.read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == [path, scratch]
    assert list(scratch.iterdir()) == []


def test_the_frame_is_left_alone(tmp_path):
    """Writing changes nothing; the path comes back."""
    jobs = few()
    before = jobs.copy(deep=True)
    assert (
        aj.asana_jobs_to_excel(jobs, tmp_path / "jobs.xlsx") == (tmp_path / "jobs.xlsx").resolve()
    )
    pd.testing.assert_frame_equal(jobs, before)
