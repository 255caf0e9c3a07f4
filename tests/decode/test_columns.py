"""Columns of a load: their names and dtypes, and what happens to values that do not fit."""

from __future__ import annotations

import datetime as dt
import json

import pandas as pd
import pytest
from export_fixtures import issues_of, task

import asana_jobs_pd as aj
from asana_jobs_pd._decode import scan
from asana_jobs_pd.errors import InvalidFieldError

HUGE = "9007199254740993123"


def test_the_schema_decides_dtypes(load):
    """Whatever the values are, and when they are all null too."""
    full = task(
        "1",
        name="é",
        completed=True,
        created_at="2024-02-22T02:06:58.147Z",
        due_on="2024-09-15",
        num_likes=3,
        actual_time_minutes=2,
        assignee={"gid": "12", "resource_type": "user", "name": "Ana"},
        followers=[{"gid": "5", "name": "B"}],
        external={"gid": "x", "data": "d"},
    )
    empty = dict.fromkeys(full) | task("1")
    for row in (full, empty):
        frame = load(row)["task"]
        dtypes = {name: str(dtype) for name, dtype in frame.dtypes.items()}
        assert dtypes["gid"] == dtypes["assignee.gid"] == dtypes["external.data"] == "string"
        assert dtypes["completed"] == "boolean"
        assert dtypes["created_at"] == "datetime64[us, UTC]"
        assert dtypes["due_on"] == "datetime64[us]"
        assert dtypes["num_likes"] == "Int64"
        assert dtypes["actual_time_minutes"] == "Float64"
        assert dtypes["followers"].startswith("list<")
    assert load(full)["task"].at[0, "due_on"] == pd.Timestamp("2024-09-15")
    assert load(full)["task"].at[0, "created_at"] == pd.Timestamp("2024-02-22T02:06:58.147Z")
    assert list(load(full)["task"].at[0, "followers"]) == [{"gid": "5", "name": "B"}]


def test_pyarrow_dtypes_for_all(load):
    """As with pandas' own `dtype_backend`."""
    frame = load(
        task(name="a", completed=True, created_at="2024-01-01T00:00:00Z", due_on="2024-01-02"),
        dtype_backend="pyarrow",
    )["task"]
    assert all(isinstance(dtype, pd.ArrowDtype) for dtype in frame.dtypes)
    assert frame.at[0, "due_on"] == dt.date(2024, 1, 2)


def test_gids_are_texts_of_any_length(load):
    """A JSON number becomes its exact digits; nothing goes through a float."""
    line = f'{{"gid": {HUGE}, "resource_type": "task", "parent": {{"gid": {HUGE}7}}}}'
    frame = load(line, task(HUGE + "1", parent={"gid": "7"}))["task"]
    assert list(frame["gid"]) == [HUGE, HUGE + "1"]
    assert list(frame["parent.gid"]) == [HUGE + "7", "7"]


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("created_at", "yesterday", "not a time"),
        ("due_on", "2024-13-45", "not a date"),
        ("due_on", 20240913, "not a date"),
        ("due_on", "0000-01-01", "not a date"),
        ("created_at", "0001-01-01T00:00:00+01:00", "not a time"),
        ("created_at", "9999-12-31T23:59:59-01:00", "not a time"),
        ("num_likes", "3", "not a whole number"),
        ("num_likes", 2**70, "a whole number beyond 64 bits"),
        ("num_likes", True, "not a whole number"),
        ("actual_time_minutes", "3", "not a number"),
        ("completed", "yes", "not true or false"),
        ("notes", {"a": 1}, "not a text"),
        ("assignee", "12", "not an object"),
        ("followers", {"gid": "1"}, "not a list"),
        ("gid_of", 1.5, None),
    ],
)
def test_values_that_do_not_fit_are_missing_and_reported(load, field, value, reason):
    """Only that cell is missing; the rest of its column and row is kept."""
    if reason is None:
        field, reason = "assignee", "not an object"
    rows = [task(str(n), name=f"n{n}") for n in range(5)]
    rows[3][field] = value
    rows[4][field] = None
    data = load(*rows)
    frame = data["task"]
    assert list(frame["name"]) == [f"n{n}" for n in range(5)]
    column = field if field in frame.columns else f"{field}.gid"
    assert frame[column].isna().all()
    [(line, gid, where, shown, why)] = issues_of(data)
    assert (line, gid, where, why) == (4, "3", field, reason)
    assert str(value).strip('"').lower()[:5] in shown.lower() or isinstance(value, dict)
    assert data.report().at["task", "issues"] == 1


def test_values_that_do_not_fit_inside_objects_and_lists(load):
    """The issue gives the path; neighbouring values stay."""
    data = load(
        task(
            assignee={"gid": "1", "name": 7},
            memberships=[{"project": {"gid": "9", "name": "Web"}, "section": "x"}],
            stories=[
                {"gid": "1", "created_at": "2024-01-01T00:00:00Z"},
                {"gid": "2", "created_at": "?"},
            ],
        )
    )
    frame = data["task"]
    assert frame.at[0, "assignee.gid"] == "1"
    assert frame.at[0, "memberships"][0]["project"] == {"gid": "9", "name": "Web"}
    assert [story["gid"] for story in frame.at[0, "stories"]] == ["1", "2"]
    assert frame.at[0, "stories"][1]["created_at"] is None
    assert {issue[2] for issue in issues_of(data)} == {
        "assignee.name",
        "memberships[].section",
        "stories[].created_at",
    }


@pytest.mark.parametrize(
    "text", ["2024-09-15T00:00:00.000Z", "2024-09-15T00:00:00Z", " 2024-09-15 "]
)
def test_a_date_with_midnight_is_that_date(load, text):
    """As custom fields have it; another time is an issue, as the zone may change the day."""
    data = load(task(due_on=text), task("2", due_on="2024-09-15T12:00:00Z"), task("3", due_on="x"))
    assert list(data["task"]["due_on"].dropna()) == [pd.Timestamp("2024-09-15")]
    assert [issue[0] for issue in issues_of(data)] == [2, 3]


def test_timestamps_with_and_without_fractions(load):
    """Milliseconds, microseconds, none, another zone, and far years, in one column."""
    texts = [
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
        "2024-01-01T00:00:00Z",
        "2024-01-01T00:00:00.147Z",
        "2024-01-01T00:00:00.147258Z",
        "2024-01-01T02:00:00+02:00",
    ]
    frame = load(*(task(str(n), created_at=text) for n, text in enumerate(texts)))["task"]
    assert list(frame["created_at"]) == [pd.Timestamp(text).tz_convert("UTC") for text in texts]


def test_unknown_fields_are_inferred_over_all_rows(load):
    """Numbers, texts, objects, lists; a name that ends in _at or _on is a time or a date."""
    rows = [task(str(n)) for n in range(9)]
    rows[8] |= {
        "new_int": 7,
        "new_float": 1,
        "new_bool": True,
        "new_text": "x",
        "checked_at": "2024-01-01T00:00:00Z",
        "new_ref": {"gid": "4", "name": "R", "seen_on": "2024-01-02"},
        "new_list": [1, 2],
        "new_things": [{"gid": 5, "n": 1.5}],
    }
    rows[2] |= {"new_float": 0.5}
    frame = load(*rows)["task"]
    last = frame.iloc[8]
    assert frame["new_int"].dtype == "Int64"
    assert frame["new_float"].dtype == "Float64"
    assert list(frame["new_float"].dropna()) == [0.5, 1.0]
    assert frame["new_bool"].dtype == "boolean"
    assert frame["checked_at"].dtype == "datetime64[us, UTC]"
    assert (last["new_ref.gid"], last["new_ref.name"], last["new_ref.seen_on"]) == (
        "4",
        "R",
        pd.Timestamp("2024-01-02"),
    )
    assert list(last["new_list"]) == [1, 2]
    assert list(last["new_things"]) == [{"gid": "5", "n": 1.5}]


def test_an_unknown_field_of_several_kinds_has_one_answer(load):
    """An object wins over a list, a list over scalars; the rest is reported.

    Mixed scalars become text.
    """
    data = load(
        task("1", new="x", other=1, many=[1], huge=1),
        task("2", new={"gid": "4"}, other="x", many="m", huge=2**80),
        task("3", new=None, other=True, many=None, huge=None),
    )
    frame = data["task"]
    assert list(frame["new.gid"].fillna("")) == ["", "4", ""]
    assert list(frame["other"]) == ["1", "x", "true"]
    assert list(frame["huge"].fillna("")) == ["1", str(2**80), ""]
    assert list(frame.at[0, "many"]) == [1]
    assert [issue[:4] for issue in issues_of(data)] == [
        (1, "1", "new", '"x"'),
        (2, "2", "many", '"m"'),
    ]


def test_odd_keys_and_texts(load):
    """Duplicate keys (the last counts), half emoji, stray bytes, escapes in keys."""
    data = load(
        b'{"resource_type":"task","gid":"1","name":"a","name":"b"}',
        b'{"gid":"2","resource_type":"task",'
        b'"name":"x\\ud83d y \\ud83d\\ude00 \\\\ud83d","strange":"\\udc00"}',
        b'{"gid":"3","resource_type":"task","name":"\xff"}',
        b'{"gid":"4","resource_type":"task","quo\\"te":1,"caf\\u00e9":2}',
    )
    frame = data["task"].set_index("gid")
    assert list(frame["name"].dropna()) == ["b", "x\ufffd y 😀 \\ud83d", "\ufffd"]
    assert frame.at["2", "strange"] == "\ufffd"
    assert frame.at["4", "café"] == 2
    assert frame.at["4", 'quo"te'] == 1
    assert [issue[0] for issue in issues_of(data)] == [2, 3]


@pytest.mark.parametrize("levels", [150, 900, 5000])
def test_deep_values_are_json_text_on_every_interpreter(load, levels):
    """From the thirteenth level on, or all of it where an interpreter might not follow."""
    deep = '{"a":' * levels + "1" + "}" * levels
    data = load(f'{{"gid":"1","resource_type":"task","deep":{deep},"name":"n","more":{deep}}}')
    frame = data["task"]
    assert [name.partition(".")[0] for name in frame] == [
        "gid",
        "resource_type",
        "name",
        "deep",
        "more",
    ]
    assert frame.at[0, "name"] == "n"
    assert all(text and text in deep and "1" in text for text in frame.iloc[0, 3:])
    assert not data.issue_count


def test_names_of_columns_are_unique_and_keep_their_keys(load):
    """Whatever the keys are: in another case, like our own, with quotes or line breaks."""
    odd = {
        "Name": 1,
        "NAME": 2,
        "#line": 3,
        "#digest": 4,
        "#custom_fields": [5],
        '"line"': 6,
        "a\nb": 7,
        'q"': {"\\": 8},
        "custom_fields.Cost": 9,
        "": 10,
        "things": [{"x\ty": 11}],
    }
    cost = {"gid": "1", "name": "Cost", "type": "number", "number_value": 12}
    frame = load(task(name="n", custom_fields=[cost, {**cost, "gid": "2", "name": "COST"}], **odd))[
        "task"
    ]
    assert len({name.casefold() for name in frame}) == len(frame.columns)
    assert frame.columns[3:].to_list() == [
        "Name (2)",
        "NAME (3)",
        "#line",
        "#digest",
        "#custom_fields",
        '"line"',
        "a\nb",
        'q".\\',
        "custom_fields.Cost",
        "",
        "things",
        "custom_fields.Cost [1]",
        "custom_fields.COST [2]",
    ]
    numbers = frame.iloc[0, 3:].tolist()
    numbers[4], numbers[10] = numbers[4][0], numbers[10][0]["x\ty"]
    assert numbers == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 12]
    assert load(task(**odd), columns=["a\nb"])["task"].columns.to_list() == ["a\nb"]


def test_whole_numbers_beyond_floats_stay_exact_or_are_reported(load):
    """In unknown fields with fractions as text; where the dtype is fixed, as an issue."""
    big = 2**53 + 1
    data = load(
        task("1", mixed=big, whole=big, actual_time_minutes=big, num_likes=2**63),
        task("2", mixed=1.5, whole=2, actual_time_minutes=2**60),
    )
    frame = data["task"]
    assert list(frame["mixed"]) == [str(big), "1.5"]
    assert list(frame["whole"]) == [big, 2]
    assert list(frame["actual_time_minutes"].fillna(0)) == [0, 2.0**60]
    assert [issue[2:4] for issue in issues_of(data)] == [
        ("actual_time_minutes", str(big)),
        ("num_likes", str(2**63)),
    ]


@pytest.mark.parametrize(
    ("number", "is_exact"),
    [
        ("9007199254740993.0", False),
        ("-9007199254740993.00", False),
        ("9.007199254740993e15", False),
        ("9007199254740993E0", False),
        ("9007199254740993.5", False),
        ("9007199254740992.0", True),
        ("1152921504606846976.0", True),
        ("6.02e23", True),
        ("1e300", True),
        ("0.1", True),
        ("5E-324", True),
    ],
)
def test_a_whole_number_written_with_a_fraction_is_not_rounded(load, number, is_exact):
    """In number fields, documented columns and lists.

    It is exact or reported; unknown fields keep text.
    """
    field = f'{{"gid":"7","name":"Cost","type":"number","number_value":{number}}}'
    nameless = f'{{"name":"Effort","type":"number","number_value":{number}}}'
    text = f'{{"gid":"8","name":"Text","type":"number","number_value":"{number}"}}'
    data = load(
        f'{{"gid":"1","resource_type":"task","new":{number},"news":[{number}],'
        f'"actual_time_minutes":{number},"stories":[{{"new_number_value":{number}}}],'
        f'"custom_fields":[{field},{nameless},{text}]}}'
    )
    row = data["task"].iloc[0]
    fields = [f"custom_fields.{name}" for name in ("Cost", "Effort", "Text")]
    if is_exact:
        cells = [row["new"], row["news"][0], row["actual_time_minutes"], *row[fields]]
        assert {*cells, row["stories"][0]["new_number_value"]} == {float(number)}
        assert not data.issue_count
    else:
        assert (row["new"], row["news"][0]) == (number, number)
        assert row[["actual_time_minutes", *fields]].isna().all()
        assert row["stories"][0]["new_number_value"] is None
        columns = ["actual_time_minutes", "stories[].new_number_value", *fields]
        assert {issue[2] for issue in issues_of(data)} == set(columns)
        assert all(number in issue[3] for issue in issues_of(data))


def test_a_large_number_reports_nothing_twice(load):
    """Neither do other problems of its line or of neighbouring lines."""
    data = load(
        '{"gid":"1","resource_type":"task","actual_time_minutes":9007199254740993.0,"due_on":"x"}',
        task("2", num_likes="bad", actual_time_minutes="9"),
        "{",
        task("3", actual_time_minutes=2**60, created_at="?"),
        on_bad_lines="skip",
    )
    assert list(data["task"]["actual_time_minutes"].fillna(0)) == [0, 0, 2.0**60]
    assert sorted((issue[0], issue[2] or "") for issue in issues_of(data)) == sorted(
        [
            (1, "actual_time_minutes"),
            (1, "due_on"),
            (2, "num_likes"),
            (2, "actual_time_minutes"),
            (3, ""),
            (4, "created_at"),
        ]
    )


def test_numbers_that_are_none_cost_their_cell(load):
    """NaN, Infinity and numbers out of range cost one cell, wherever they are in the line."""
    data = load(
        b'{"a":NaN,"gid":"1","resource_type":"task","name":"n","more":[1,1e400],"num_likes":-Infinity}',
        b'{"gid":"2","resource_type":"task","a":1.5,"assignee":{"gid":"3","x":Infinity}}',
    )
    frame = data["task"]
    assert list(frame["a"].fillna(0)) == [0, 1.5]
    assert frame.at[0, "name"] == "n"
    assert frame.at[1, "assignee.gid"] == "3"
    assert list(frame.at[0, "more"]) == [1, None]
    assert {issue[:4] for issue in issues_of(data)} == {
        (1, None, "a", "NaN"),
        (1, None, "more", "1e400"),
        (1, None, "num_likes", "-Infinity"),
        (2, None, "assignee", "Infinity"),
    }


@pytest.mark.parametrize(
    ("pair", "key", "value", "reported"),
    [
        (b'"\\ud800x":[Infinity]', "\ufffdx", [None], "Infinity"),
        (b'"\xffx":NaN', None, None, "NaN"),
        (b'"\xffx":1', "\ufffdx", 1, None),
        (b'"\\udc00":{"\\ud800":1e999}', None, None, "1e999"),
        (b'"a":1,"b\\u0000\\ud800":1e999', "a", 1, "1e999"),
    ],
)
def test_a_key_that_is_no_text_costs_nothing_else(load, pair, key, value, reported):
    """U+FFFD replaces what is not Unicode, beside values that are no numbers as well."""
    data = load(b'{"gid":"1","resource_type":"task",' + pair + b"}")
    assert list(data["task"]["gid"]) == ["1"]
    if key is not None:
        cell = data["task"].at[0, key]
        assert (list(cell) if isinstance(value, list) else cell) == value
    values = data.issues["value"].tolist()
    assert len(values) == 1 + (reported is not None)
    assert reported is None or reported in values


def test_wide_objects_are_json_text(load):
    """With more than a thousand different keys; an issue says so."""
    data = load(task("1"), task("2", wide={f"k{n}": n for n in range(1500)}))
    assert data["task"]["wide"].iloc[1].startswith('{"k0"')
    assert [issue[2] for issue in issues_of(data)] == ["wide"]


@pytest.mark.parametrize("bundle", [1, 7, 4000])
def test_the_cost_of_an_odd_file_is_bounded(load, monkeypatch, bundle):
    """More than a thousand undocumented keys of a row or object become one JSON column."""
    monkeypatch.setattr(scan, "_BUNDLE", bundle)
    wide = [{f"k{number}": number for number in range(start, start + 90)} for start in (0, 40, 900)]
    wide[1] |= {'q"': None, "other_keys": [1], "seen_at": "2026-01-01T00:00:00Z"}
    rows = [
        *(
            task(str(n), name="n", assignee={"gid": "3", **wide[n % 3]}, **wide[n % 3])
            for n in range(9)
        ),
        task("10", stories=[{"text": "t", **{f"s{number}": 1 for number in range(1500)}}]),
        task("11", **{f"k{number}": 1 for number in range(1005)}),
        task("12", assignee={f"k{number}": 1 for number in range(1005)}),
    ]
    rows.append('{"gid":"13","resource_type":"task","k\\"":1e400,"other_keys":2}')
    data = load(*rows)
    frame = data["task"].set_index("gid")
    names = ["gid", "other_keys", "assignee.other_keys"]
    some = load(*rows, columns=names)["task"]
    assert list(some) == names
    pd.testing.assert_frame_equal(some.set_index("gid"), frame[names[1:]])
    assert not [column for column in frame if column.startswith("k")]
    for number in range(9):
        others = {key: value for key, value in wide[number % 3].items() if value is not None}
        others.pop("seen_at", None)
        for column in ("other_keys", "assignee.other_keys"):
            assert json.loads(frame.at[str(number), column]) == others
    assert list(frame["seen_at"].dropna()) == [pd.Timestamp("2026-01-01", tz="UTC")] * 3
    assert list(frame["name"].dropna()) == ["n"] * 9
    [story] = frame.at["10", "stories"]
    assert (story["text"], len(json.loads(story["other_keys"]))) == ("t", 1500)
    assert json.loads(frame.at["13", "other_keys"]) == {"other_keys": 2}
    assert {issue[2:4] for issue in issues_of(data)} == {
        ("other_keys", None),
        ("assignee.other_keys", None),
        ("stories[].other_keys", None),
        ('k"', "1e400"),
    }


def test_columns_restricts_and_orders(load):
    """Whole objects or parts of them; other columns are not even decoded."""
    row = task(
        name="n",
        assignee={"gid": "1", "name": "A", "x": 1},
        num_likes="bad",
        custom_fields=[
            {"gid": "8", "name": "Cost", "type": "number", "number_value": 1.5},
            {"gid": "9", "name": "Note", "type": "text", "text_value": "t"},
        ],
    )
    data = load(row, columns=["custom_fields.Note", "assignee.name", "gid"])
    assert list(data["task"].columns) == ["custom_fields.Note", "assignee.name", "gid"]
    assert list(data["task"].iloc[0]) == ["t", "A", "1"]
    assert not len(data.issues)
    assert list(load(row, columns="assignee")["task"].columns) == [
        "assignee.gid",
        "assignee.name",
        "assignee.x",
    ]
    with pytest.raises(InvalidFieldError, match=r"'assigne'.*'assignee'"):
        load(row, columns="assigne")


def test_an_ambiguous_custom_field_is_an_error_with_the_choices(load):
    """The name is accepted where only one field has it."""
    cost = {"gid": "8", "name": "Cost", "type": "number", "number_value": 1.5}
    row = task(custom_fields=[cost, {**cost, "gid": "9"}])
    with pytest.raises(
        InvalidFieldError,
        match=r"2 custom fields; give 'custom_fields.Cost \[8\]' or 'custom_fields.Cost \[9\]'",
    ):
        load(row, columns="custom_fields.Cost")
    assert list(load(row, columns="custom_fields.Cost [9]")["task"]) == ["custom_fields.Cost [9]"]


def test_resource_types_restricts(load):
    """Other rows are left out, wherever in the line their type is."""
    rows = [
        task(),
        {"assignee": {"resource_type": "user"}, "resource_type": "team", "gid": "2"},
        {"resource_type": "tag", "gid": "3"},
    ]
    assert list(load(*rows)) == ["tag", "task", "team"]
    assert list(load(*rows, resource_types="team")) == ["team"]
    assert list(load(*rows, resource_types=["task", "tag"])) == ["tag", "task"]


def test_the_repr_says_what_is_there(load):
    """In one line, and as HTML in which nothing of the file is markup."""
    data = load(task(), task("2", num_likes="x"), {"gid": "1", "resource_type": "<b>x</b>"})
    assert repr(data) == "<AsanaExport: <b>x</b> 1 x 2, task 2 x 3; 1 issue, see .issues>"
    assert "<b>x" not in data._repr_html_()
    with pytest.raises(KeyError, match=r"'story'.*'task'"):
        data["story"]
    assert isinstance(data, aj.AsanaExport)


@pytest.mark.parametrize(
    "value", [b'[{"\x80\\\\": 1}]', b'{"\x80\\"": 1}', b'{"a": {"\x80\\n": 1}}']
)
def test_keys_that_are_neither_unicode_nor_names_keep_their_values(load, value):
    """Invalid bytes are replaced and reported; the value is kept."""
    line = b'{"gid": "1", "resource_type": "goal", "x": ' + value + b"}"
    data = load(line, on_bad_lines="skip")
    assert data.issue_count == 1
    columns = [name for name in data["goal"].columns if name.startswith("x")]
    assert "1" in repr(data["goal"][columns].to_dict("records"))
