"""`data.to_excel()`: a sheet for each type of row, nothing lost or run."""

import datetime as dt

import pandas as pd
import pytest
from rows import field, task, write

import asana_jobs_pd as aj
from asana_jobs_pd._report import excel
from asana_jobs_pd.errors import AsanaValueWarning, InvalidFrameError, InvalidOptionError

openpyxl = pytest.importorskip("openpyxl")


@pytest.fixture(params=["numpy_nullable", "pyarrow"])
def load(request, tmp_path):
    def loaded(*rows):
        path = write(tmp_path / "export.gz", rows)
        return aj.read_asana_export(path, dtype_backend=request.param, progress=False)

    return loaded


def cells(book, sheet):
    """Return the rows of a sheet as dicts."""
    header, *rows = book[sheet].iter_rows(values_only=True)
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_each_type_has_a_sheet(load, tmp_path):
    web, doing = {"gid": "9", "name": "Web"}, {"gid": "8", "name": "Doing"}
    data = load(
        task(
            "1203897763724806123",
            name="=1+1",
            due_on="2026-05-21",
            created_at="2026-05-01T10:00:00.5Z",
            completed=True,
            memberships=[{"project": web, "section": doing}, {"project": web}],
            followers=[{"gid": "5", "name": "Ana"}, {"gid": "6", "name": "Bo"}],
            tags=[],
            custom_fields=[field("1", "number", 5.5, "Cost")],
        ),
        {"gid": "2", "resource_type": "team", "name": "Web"},
    )
    path = data.to_excel(tmp_path / "data.xlsx")
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["task", "team", "About"]
    (row,) = cells(book, "task")
    assert row["gid"] == "1203897763724806123"
    assert row["name"] == "=1+1"
    assert book["task"]["C2"].data_type == "s"
    assert row["due_on"] == dt.datetime(2026, 5, 21)  # noqa: DTZ001
    assert row["created_at (UTC)"] == dt.datetime(2026, 5, 1, 10, 0, 0, 500_000)  # noqa: DTZ001
    assert row["completed"] is True
    assert row["memberships"] == "Web: Doing, Web"
    assert row["followers"] == "Ana, Bo"
    assert row["custom_fields.Cost"] == 5.5


def test_issues_have_a_sheet_and_names_are_what_excel_takes(load, tmp_path):
    data = load(
        task("1", due_on="soon"),
        {"gid": "2", "resource_type": "a/b" * 20},
        {"gid": "3", "resource_type": "TASK"},
        {"gid": "4", "resource_type": "about"},
    )
    book = openpyxl.load_workbook(data.to_excel(tmp_path / "data.xlsx"))
    names = book.sheetnames
    assert len({name.lower() for name in names}) == len(names) == 6
    assert all(len(name) <= 31 for name in names)
    (issue,) = cells(book, "issues")
    assert issue["value"] == "soon"


@pytest.mark.parametrize(
    ("name", "sheet"),
    [
        ("bell\x07", "bell_"),
        ("two\nlines", "two_lines"),
        ("\ud800", "_"),
        ("'quoted'", "_quoted_"),
        ("x" * 30 + "'s", "x" * 30 + "_"),
        ("\N{ROCKET}" * 31, "\N{ROCKET}" * 15),
        ("Bo's", "Bo's"),
        ("", "_"),
    ],
)
def test_a_sheet_has_a_name_that_excel_takes(name, sheet, tmp_path):
    """Of at most 31 characters as Excel counts them, those of XML, no apostrophe at an end."""
    path = aj.frames_to_excel({name: pd.DataFrame({"a": [1]})}, tmp_path / "any.xlsx")
    assert openpyxl.load_workbook(path).sheetnames == [sheet, "About"]


def test_values_of_custom_fields_have_a_sheet(tmp_path):
    row = task("1", custom_fields=[field("1", "number", 5.5, "Cost")])
    data = aj.read_asana_export(write(tmp_path / "export.gz", [row]), custom_fields="long")
    book = openpyxl.load_workbook(data.to_excel(tmp_path / "data.xlsx"))
    assert book.sheetnames == ["task", "custom_field_values", "About"]
    (value,) = cells(book, "custom_field_values")
    assert (value["custom_field.name"], value["number_value"]) == ("Cost", 5.5)


def test_signed_urls_are_masked_whatever_the_dtype(load, tmp_path):
    """Arrow's texts, categories and lists, too."""
    url = "https://x.example/a?X-Amz-Signature=5ec2e7"
    data = load(task("1", notes=url, attachments=[{"gid": None, "url": url}], links=[url]))
    texts = data.task["notes"]
    data.task["category"] = texts.astype("category")
    data.task["download_url"] = texts.astype("large_string[pyarrow]")
    book = openpyxl.load_workbook(data.to_excel(tmp_path / "data.xlsx"))
    (row,) = cells(book, "task")
    found = [row[name] for name in ("notes", "attachments", "links", "category", "download_url")]
    assert all("x.example/a?" in text for text in found)
    assert not any("5ec2e7" in text for text in found)


def test_true_and_false_are_shown_as_such_everywhere(tmp_path):
    """LibreOffice shows 1 and 0 in cells without a format."""
    path = aj.frames_to_excel({"a": pd.DataFrame({"done": [True, None]})}, tmp_path / "a.xlsx")
    cell = openpyxl.load_workbook(path)["a"]["A2"]
    assert (cell.value, cell.data_type, cell.number_format) == (True, "b", '"TRUE";"TRUE";"FALSE"')


def test_any_frames_can_be_written(tmp_path):
    """Index and durations stay readable; nothing runs; times of a zone are no obstacle."""
    frame = pd.DataFrame(
        {
            "name": ["=HYPERLINK(1)", "b"],
            "at": pd.to_datetime(["2026-05-21T10:00Z", None]),
            "local": pd.to_datetime(["2026-05-21T10:00", None]),
            "time": pd.to_timedelta(["36h", None]),
            "arrow": pd.array([pd.Timedelta("12h"), None], "duration[us][pyarrow]"),
            "download_url": ["https://x.example/a?Signature=secret", None],
        }
    )
    counts = frame.value_counts(["name", "time"], dropna=False)
    sheets = {"a/b": frame, "Counts": counts, "counts": frame["name"]}
    path = aj.frames_to_excel(sheets, tmp_path / "any.xlsx")
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["a_b", "Counts", "counts (2)", "About"]
    assert book["a_b"]["A2"].data_type == "s"
    first, second = cells(book, "a_b")
    assert first == {
        "name": "=HYPERLINK(1)",
        "at (UTC)": dt.datetime(2026, 5, 21, 10),  # noqa: DTZ001
        "local": dt.datetime(2026, 5, 21, 10),  # noqa: DTZ001
        "time (days)": 1.5,
        "arrow (days)": 0.5,
        "download_url": "https://x.example/a?…",
    }
    assert set(second.values()) == {"b", None}
    assert {row["name"]: row["time (days)"] for row in cells(book, "Counts")} == {
        "=HYPERLINK(1)": 1.5,
        "b": None,
    }


@pytest.mark.parametrize(
    ("frames", "words"), [({}, "by the names"), ([1], "by the names"), ({"a": 5}, r"frames\['a'\]")]
)
def test_values_that_are_not_frames_are_refused(frames, words, tmp_path):
    with pytest.raises(InvalidFrameError, match=words):
        aj.frames_to_excel(frames, tmp_path / "any.xlsx")


def test_a_comparison_has_its_views_first(tmp_path):
    """Only what changed has a sheet."""
    old = pd.DataFrame([{"gid": "1", "resource_type": "task", "name": "=1+1", "completed": False}])
    new = old.assign(completed=True)
    diff = aj.compare_asana_exports({"task": old}, {"task": new})
    book = openpyxl.load_workbook(diff.to_excel(tmp_path / "diff.xlsx"))
    assert book.sheetnames == ["summary", "closed", "task", "About"]
    (row,) = cells(book, "task")
    assert (row["name"], row["before"], row["after"]) == ("=1+1", "false", "true")


def test_a_comparison_is_written_for_people(load, tmp_path):
    """Dates are dates, lists are names; gids beside names, moves and stories are left out."""

    def loaded(name, day):
        person, project = {"gid": name, "name": name}, {"gid": name, "name": name}
        row = {"assignee": person, "followers": [person], "memberships": [{"project": project}]}
        tags = [] if name == "Ana" else [person]
        return load(task("1", due_on=day, tags=tags, stories=[{"gid": name, "text": name}], **row))

    diff = aj.compare_asana_exports(loaded("Ana", "2026-01-02"), loaded("Bo", "2026-01-03"))
    book = openpyxl.load_workbook(diff.to_excel(tmp_path / "diff.xlsx"))
    texts = {row["column"]: (row["before"], row["after"]) for row in cells(book, "task")}
    assert texts == {
        "assignee.name": ("Ana", "Bo"),
        "followers": ("Ana", "Bo"),
        "tags": ("", "Bo"),
        "due_on": ("2026-01-02", "2026-01-03"),
    }
    (row,) = cells(book, "rescheduled")
    assert [str(row[name]) for name in ("before", "after")] == [
        "2026-01-02 00:00:00",
        "2026-01-03 00:00:00",
    ]
    assert {row["move"] for row in cells(book, "moved")} == {"added", "removed"}


def test_limits_of_excel_are_reported(load, tmp_path, monkeypatch):
    data = load(task("1"), task("2"))
    monkeypatch.setattr(excel, "MAX_ROWS", 2)
    with pytest.raises(InvalidFrameError, match=r"data\['task'\] has 2 rows.*to_parquet"):
        data.to_excel(tmp_path / "data.xlsx")
    monkeypatch.undo()
    with pytest.warns(AsanaValueWarning, match="32,767"):
        load(task("1", notes="x" * 40_000)).to_excel(tmp_path / "data.xlsx")
    with pytest.raises(InvalidOptionError, match="xlsx"):
        data.to_excel(tmp_path / "data.csv")
