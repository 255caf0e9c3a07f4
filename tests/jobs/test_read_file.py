"""Files of jobs: every format comes back with gids as text and our dtypes."""

from __future__ import annotations

import json
import sys
import warnings

import pandas as pd
import pytest
from seed import EXAMPLE

import asana_jobs_pd as aj
from asana_jobs_pd.errors import (
    AsanaValueWarning,
    InvalidFrameError,
    InvalidGidError,
    InvalidOptionError,
    MissingExtraError,
)

LONG = "12036541234567890123456"
"""A gid beyond 64 bits."""


@pytest.fixture
def jobs():
    """Jobs with long gids, gaps, times with and without fractions, and columns of the user's."""
    records = [
        EXAMPLE,
        {"gid": LONG, "status": "failed", "new_task": {"gid": LONG, "name": "NA"}},
        {"gid": "7", "status": "in_progress", "new_task": {"gid": "9007199254740993", "name": "1"}},
    ]
    frame = aj.asana_jobs_from_records(records)
    return frame.assign(cost=[1.5, None, 2.0], team=["a", None, "c"])


def naive(frame):
    times = [name for name in frame if isinstance(frame[name].dtype, pd.DatetimeTZDtype)]
    return frame.assign(**{name: frame[name].dt.tz_localize(None) for name in times})


def iso(frame, path, **options):
    frame.to_json(path, date_format="iso", date_unit="us", **options)


WRITERS = {
    "jobs.csv": lambda frame, path: frame.to_csv(path, index=False),
    "semicolons.csv": lambda f, path: f.to_csv(path, index=False, sep=";", encoding="utf-8-sig"),
    "packed.csv.gz": lambda frame, path: frame.to_csv(path, index=False),
    "jobs.tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "unicode.txt": lambda f, path: f.to_csv(path, index=False, sep="\t", encoding="utf-16"),
    "jobs.json": iso,
    "records.json": lambda frame, path: iso(frame, path, orient="records"),
    "lines.jsonl": lambda frame, path: iso(frame, path, orient="records", lines=True),
    "split.json": lambda frame, path: iso(frame, path, orient="split"),
    "table.json": lambda frame, path: iso(frame, path, orient="table"),
    "index.json": lambda frame, path: iso(frame, path, orient="index"),
    "jobs.parquet": lambda frame, path: frame.to_parquet(path),
    "levels.parquet": lambda frame, path: frame.set_index(["gid", "status"]).to_parquet(path),
    "ours.xlsx": lambda frame, path: frame.asana.to_excel(path),
    "pandas.xlsx": lambda frame, path: naive(frame).to_excel(path, index=False),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_comes_back(jobs, tmp_path, name):
    """The same values and dtypes; only a signature is not in our Excel files."""
    path = tmp_path / name
    WRITERS[name](jobs, path)
    back = aj.read_jobs_file(path)
    ours = [column for column in jobs if column not in ("cost", "team")]
    if name == "ours.xlsx":
        ours = [column for column in ours if not column.endswith("download_url")]
    pd.testing.assert_frame_equal(back[ours], jobs[ours])
    assert back["cost"].tolist()[::2] == [1.5, 2.0]
    assert back["team"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize("factor", [1, 10**3, 10**6, 10**9])
def test_times_that_json_counts_from_1970_are_times(tmp_path, factor):
    """What `DataFrame.to_json` wrote by default before pandas 4, in any unit."""
    path = tmp_path / "jobs.json"
    rows = [{"gid": "1", "fetched_at": 1_700_000_000 * factor}, {"gid": "2", "fetched_at": None}]
    path.write_text(json.dumps(rows))
    times = aj.read_jobs_file(path)["fetched_at"]
    assert times.tolist() == [pd.Timestamp(1_700_000_000, unit="s", tz="UTC"), pd.NaT]


@pytest.mark.parametrize("wrap", ["[{}]", "{}", '{{"data": [{}]}}'])
def test_records_of_asana_are_a_frame(tmp_path, wrap):
    """A file of what the API sends is flattened as when it is read."""
    path = tmp_path / "jobs.json"
    path.write_text(wrap.format(json.dumps(EXAMPLE)))
    back = aj.read_jobs_file(path)
    assert back.at[0, "new_task.name"] == "Bug Task"
    pd.testing.assert_frame_equal(back, aj.asana_jobs_from_records([EXAMPLE]))


def test_gids_that_a_spreadsheet_rounded_are_refused(tmp_path):
    """As text in a CSV file, and as a number of 15 digits and zeros in Excel."""
    (tmp_path / "a.csv").write_text("gid;status\n1.208E+15;\n12;\n")
    with pytest.raises(InvalidGidError, match=r"1 of 2 values in the column 'gid'"):
        aj.read_jobs_file(tmp_path / "a.csv")
    pd.DataFrame({"gid": [1208000000000010, 1208000000000020]}).to_excel(tmp_path / "a.xlsx")
    with pytest.raises(InvalidFrameError, match="Excel keeps 15 digits"):
        aj.read_jobs_file(tmp_path / "a.xlsx")
    pd.DataFrame({"gid": [float(2**60)]}).to_excel(tmp_path / "a.xlsx")
    with pytest.raises(InvalidFrameError, match="Excel keeps 15 digits"):
        aj.read_jobs_file(tmp_path / "a.xlsx")
    pd.DataFrame({"gid": [1208000000000010, 1208000000000021]}).to_excel(tmp_path / "b.xlsx")
    assert list(aj.read_jobs_file(tmp_path / "b.xlsx")["gid"]) == [
        "1208000000000010",
        "1208000000000021",
    ]


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl", "a.xlsx", "a.parquet", "a.csv.gz"])
@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b"{", b"a,b\n1,2\n", b"[1, 2]"])
def test_other_files_are_refused_with_a_remedy(tmp_path, name, content):
    """Whatever the parser raises becomes an InvalidFrameError that names the file or the column."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidFrameError, match=rf"{name}|'gid'"):
        aj.read_jobs_file(tmp_path / name)


@pytest.mark.parametrize("path", ["s3://bucket/jobs.csv", "jobs.sas", "jobs", 5, b"a.csv", ""])
def test_paths_that_cannot_be_read_here_are_refused(path):
    """URLs and unknown formats are options that do not fit."""
    with pytest.raises(InvalidOptionError, match="path="):
        aj.read_jobs_file(path)


def test_a_file_that_is_not_there_is_the_usual_error(tmp_path):
    """As for every reader of pandas."""
    for name in ("a.csv", "a.json", "a.xlsx", "a.parquet"):
        with pytest.raises(FileNotFoundError, match=f"There is no file.*{name}"):
            aj.read_jobs_file(tmp_path / name)


def test_without_openpyxl_the_extra_is_named(monkeypatch, tmp_path):
    """Excel files need it, the others do not."""
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    (tmp_path / "a.xlsx").touch()
    with pytest.raises(MissingExtraError, match=r"asana_jobs_pd\[excel\]"):
        aj.read_jobs_file(tmp_path / "a.xlsx")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "Gid,x\n12080000000004806,1\n,2\n"),
        ("b.csv", "x;GID\n1;12080000000004806\n2;\n"),
        ("c.txt", " gid \tx\n12080000000004806\t1\n\t2\n"),
        ("d.json", '[{"GID": 12080000000004806, "x": 1}, {"GID": null, "x": 2}]'),
        ("e.json", '{"GID": {"0": "12080000000004806", "1": null}, "x": {"0": 1, "1": 2}}'),
    ],
)
def test_a_gid_column_may_have_capitals_and_spaces(tmp_path, name, text):
    """It is read as text under its usual name."""
    (tmp_path / name).write_text(text)
    jobs = aj.read_jobs_file(tmp_path / name)
    assert list(jobs["gid"].dropna()) == ["12080000000004806"]
    assert len(jobs) == 2


WRONG = (
    ("a.csv", "gid,x\n12,1\n\n   \n1.2E+15,2\n,\n13,3\n,4\nabc,5\n", {5: "1.2E+15", 9: "abc"}),
    ("b.txt", 'sep=;\nx;gid\n"two\nlines";12\n1;abc\n2;13\n', {5: "abc"}),
    ("c.csv", 'x,gid\n"two\nlines",12\n1,abc\n2,13\n', {4: "abc"}),
    ("d.csv", "gid\r\n12\r\n\r\nabc\r\n13\r\n", {4: "abc"}),
    ("e.json", '[{"gid": "12"}, {"gid": "abc"}, {"gid": "13"}]', {1: "abc"}),
)


@pytest.mark.filterwarnings("ignore:1 empty row was")
@pytest.mark.parametrize(("name", "text", "bad"), WRONG)
def test_values_that_are_not_gids_are_named_by_their_lines(tmp_path, name, text, bad):
    """As an editor counts them: with the header, blank lines and texts of several lines."""
    (tmp_path / name).write_bytes(text.encode())
    with pytest.raises(InvalidGidError) as caught:
        aj.read_jobs_file(tmp_path / name)
    assert caught.value.bad == bad
    if name.endswith("csv"):
        place, value = next(iter(bad.items()))
        assert f"line {place} = '{value}'" in str(caught.value)
        assert "No request" not in str(caught.value)
    with pytest.warns(AsanaValueWarning, match=r"gids?: .*Such rows have no gid"):
        kept = aj.read_jobs_file(tmp_path / name, errors="coerce")
    with pytest.warns(AsanaValueWarning, match="Such rows were left out"):
        dropped = aj.read_jobs_file(tmp_path / name, errors="drop")
    assert kept["gid"].dropna().tolist() == dropped["gid"].dropna().tolist() == ["12", "13"]
    assert len(kept) == len(dropped) + len(bad)


def test_rows_of_a_spreadsheet_are_named_as_it_numbers_them(tmp_path):
    frame = pd.DataFrame({"gid": ["12", None, "abc"], "x": [1, None, 3]})
    frame.to_excel(tmp_path / "a.xlsx", index=False)
    with pytest.raises(InvalidGidError, match=r"1 of 2 values .* line 4 = 'abc'"):
        aj.read_jobs_file(tmp_path / "a.xlsx")


def test_the_column_with_the_gids_may_have_any_name(tmp_path):
    """Also one with URLs of jobs; without the column, the error lists those there are."""
    rows = (
        "x;Job-Link\n1;https://app.asana.com/api/1.0/jobs/12080000000004806\n2;12080000000004807\n"
    )
    (tmp_path / "a.csv").write_text(rows)
    jobs = aj.read_jobs_file(tmp_path / "a.csv", column="Job-Link")
    assert jobs["gid"].tolist() == ["12080000000004806", "12080000000004807"]
    (tmp_path / "a.json").write_text('[{"job": 12080000000004806, "x": 1}]')
    assert aj.read_jobs_file(tmp_path / "a.json", column="job")["gid"][0] == "12080000000004806"
    with pytest.raises(InvalidFrameError, match="no column 'Job'; there is 'x', 'Job-Link'"):
        aj.read_jobs_file(tmp_path / "a.csv", column="Job")
    with pytest.raises(InvalidFrameError, match=r"a\.csv has no column 'gid'.*: column='…'"):
        aj.read_jobs_file(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("gid,Job\n1,12080000000004806\n")
    with pytest.raises(InvalidFrameError, match=r"a\.csv also has a column 'gid': rename it"):
        aj.read_jobs_file(tmp_path / "a.csv", column="Job")
    (tmp_path / "a.csv").write_text("x;Job\n1;1.2E+15\n2;\n")
    with pytest.raises(InvalidGidError, match="in the column 'Job' is not a gid: line 2 "):
        aj.read_jobs_file(tmp_path / "a.csv", column="Job")


@pytest.mark.parametrize(
    ("options", "words"), [({"errors": "skip"}, "errors"), ({"column": 5}, "column")]
)
def test_options_that_make_no_sense_are_refused(tmp_path, options, words):
    with pytest.raises(InvalidOptionError, match=words):
        aj.read_jobs_file(tmp_path / "a.csv", **options)


def test_an_empty_file_says_so(tmp_path):
    for name, content in (("a.csv", b""), ("b.csv", b"\n\n"), ("c.json", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InvalidFrameError, match=f"{name} cannot be read: it is empty"):
            aj.read_jobs_file(tmp_path / name)


def test_a_missing_header_is_named(tmp_path):
    """A plain list of gids needs a first line that says so."""
    (tmp_path / "gids.txt").write_text("12080000000004806\n12080000000004807\n")
    with pytest.raises(InvalidFrameError, match="header seems to be missing"):
        aj.read_jobs_file(tmp_path / "gids.txt")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "gid,x\n12,1\n,\n , \n13,\n,\n"),
        ("b.csv", 'GID;x\n12;1\n;\n"";\u00a0\n13;\n;\n'),
        (
            "c.json",
            '[{"gid": "12", "x": 1}, {"gid": ""}, {}, {"gid": 13}, {"gid": " ", "x": null}]',
        ),
    ],
)
def test_empty_rows_are_left_out_and_counted(tmp_path, name, text):
    """Spreadsheets leave them at the end; a row with any value stays."""
    (tmp_path / name).write_text(text)
    with pytest.warns(AsanaValueWarning, match=rf"^3 empty rows were left out of {name}\.$"):
        jobs = aj.read_jobs_file(tmp_path / name)
    assert jobs["gid"].tolist() == ["12", "13"]
    assert jobs.index.equals(pd.RangeIndex(2))


def test_empty_rows_of_a_spreadsheet_are_left_out(tmp_path):
    """The frame is in the warning, should it be turned into an error."""
    rows = pd.DataFrame({"gid": ["12", None, "13", " "], "n": [1, None, None, None]})
    rows.to_excel(tmp_path / "a.xlsx", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(AsanaValueWarning, match="2 empty rows") as caught:
            aj.read_jobs_file(tmp_path / "a.xlsx")
    assert caught.value.frame["gid"].tolist() == ["12", "13"]


def test_an_index_of_ones_own_is_kept(tmp_path):
    """Parquet has it, and a column of another name may have the gids."""
    frame = pd.DataFrame({"job": ["12", "13"]}, index=[3, 7])
    frame.to_parquet(tmp_path / "a.parquet")
    assert list(aj.read_jobs_file(tmp_path / "a.parquet", column="job").index) == [3, 7]
    with pytest.raises(InvalidFrameError, match="no column 'Job'; there is 'job'"):
        aj.read_jobs_file(tmp_path / "a.parquet", column="Job")


def test_an_index_of_gids_is_not_empty(tmp_path):
    """Without any other value, too."""
    pd.DataFrame({"x": [None, 1]}, index=pd.Index(["12", "13"], name="gid")).to_parquet(
        tmp_path / "a.parquet"
    )
    assert len(aj.read_jobs_file(tmp_path / "a.parquet")) == 2


def test_a_field_too_many_does_not_shift_the_gids(tmp_path):
    """A decimal comma in a file with commas made an index of the gids."""
    (tmp_path / "a.csv").write_text("gid,cost\n1208000000000001,1,5\n1208000000000002,2,5\n")
    told = r"a\.csv: 2 lines have more fields .*: line 2 \(3 instead of 2\), line 3 \(3 instead"
    with pytest.raises(InvalidFrameError, match=told):
        aj.read_jobs_file(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text('gid,x\n12,"a\nb"\n\n13,1\n' + "14,1,5\n" + "15,1\n" * 3)
    with pytest.raises(InvalidFrameError, match=r"a line has more fields .*: line 6 \(3 instead"):
        aj.read_jobs_file(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("gid,cost\n1208000000000001,1\n1208000000000002,1,,\n")
    assert list(aj.read_jobs_file(tmp_path / "b.csv")["cost"]) == [1, 1]


def test_lines_may_end_as_on_an_old_mac(tmp_path):
    """Excel still offers this format."""
    (tmp_path / "a.csv").write_bytes(b"gid;x\r12;1\r13;2\r")
    assert list(aj.read_jobs_file(tmp_path / "a.csv")["gid"]) == ["12", "13"]


@pytest.mark.parametrize("content", ["[12]", '["12"]', "null", "12", '[{"gid": "1"}, 5]'])
def test_json_that_is_not_of_jobs_is_explained(tmp_path, content):
    """Not with the parser's message."""
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InvalidFrameError, match="give a list of objects, each with its 'gid'"):
        aj.read_jobs_file(tmp_path / "a.json")
