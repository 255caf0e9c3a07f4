"""Custom fields in every documented shape: a value or an issue, never neither."""

from __future__ import annotations

import pandas as pd
import pytest
from export_fixtures import as_lines, issues_of, task
from hypothesis import given, settings
from hypothesis import strategies as st

import asana_jobs_pd as aj

OPTIONS = [{"gid": "31", "name": "High"}, {"gid": "32", "name": "Low, slow"}]
KEYS = {
    "text": "text_value",
    "number": "number_value",
    "enum": "enum_value",
    "multi_enum": "multi_enum_values",
    "date": "date_value",
    "people": "people_value",
    "reference": "reference_value",
}
ANA = {"gid": None, "name": None, "email": "ana@example.com"}
DAY = pd.Timestamp("2024-08-23")


def field(kind, **more):
    """Return a custom field of a kind, without a gid."""
    return {"name": "F", "type": kind, **more}


def cells(data):
    """Return the cells of the custom fields of the only row, without those that are missing."""
    row = data["task"].filter(like="custom_fields").iloc[0].dropna()
    return {
        name.removeprefix("custom_fields."): list(cell) if hasattr(cell, "__len__") else cell
        for name, cell in row.items()
        if not isinstance(cell, str)
    } | {
        name.removeprefix("custom_fields."): cell
        for name, cell in row.items()
        if isinstance(cell, str)
    }


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("text", "x", "x"),
        ("number", 5, 5.0),
        ("number", "5.2", 5.2),
        ("number", " -3 ", -3.0),
        ("number", 2**60, float(2**60)),
        ("enum", "High", "High"),
        ("enum", {"name": "High"}, "High"),
        ("enum", {"gid": "31"}, "High"),
        ("enum", {"gid": 31, "name": None}, "High"),
        ("multi_enum", ["High", {"name": "Low"}], ["High", "Low"]),
        ("multi_enum", [{"gid": "32"}], ["Low, slow"]),
        ("multi_enum", "High", ["High"]),
        ("multi_enum", "Low, slow, High", ["Low, slow", "High"]),
        ("multi_enum", {"name": "High"}, ["High"]),
        ("date", "2024-08-23", DAY),
        ("date", {"date": "2024-08-23"}, DAY),
        ("date", {"date": "2024-08-23", "date_time": None}, DAY),
        ("date", {"date": "2024-08-23T00:00:00.000Z"}, DAY),
        ("people", [{"email": "ana@example.com"}], [ANA]),
        ("people", {"email": "ana@example.com"}, [ANA]),
        ("people", ["ana@example.com"], [ANA]),
        ("people", "ana@example.com", [ANA]),
        ("reference", ["T"], [{"gid": None, "resource_type": None, "name": "T"}]),
    ],
)
@pytest.mark.parametrize("gid", [{}, {"gid": "7"}])
def test_a_plain_meaning_is_taken_in_whatever_shape(load, kind, value, expected, gid):
    """With and without a gid; nothing is reported."""
    data = load(
        task(custom_fields=[{**gid, **field(kind), KEYS[kind]: value, "enum_options": OPTIONS}])
    )
    assert cells(data) == {"F": expected}
    assert not data.issue_count


@pytest.mark.parametrize(
    ("kind", "shown", "expected"),
    [
        ("text", "x", "x"),
        ("number", "42", 42.0),
        ("number", "-1234.50", -1234.5),
        ("number", "25%", None),
        ("number", "1,234.50", None),
        ("number", "9007199254740993", None),
        ("number", "1e5", None),
        ("enum", "Other", "Other"),
        ("multi_enum", "High, Low, slow", ["High", "Low, slow"]),
        ("multi_enum", "High, Other", None),
        ("date", "2024-08-23", DAY),
        ("date", "2024-08-23T00:00:00.000Z", DAY),
        ("date", "23/08/2024", None),
        ("people", "Ana", None),
        ("reference", "T", None),
    ],
)
@pytest.mark.parametrize("gid", [{}, {"gid": "7"}])
def test_the_displayed_text_is_used_if_it_is_exact(load, kind, shown, expected, gid):
    """Only for an absent key, and the catalogue says so.

    Otherwise the value is missing and an issue shows it.
    """
    shape = {**gid, **field(kind), "display_value": shown, "enum_options": OPTIONS}
    data = load(task(custom_fields=[shape]))
    assert cells(data) == ({} if expected is None else {"F": expected})
    assert data.custom_fields.at[0, "from_display"]
    assert [issue[3] for issue in issues_of(data)] == ([shown] if expected is None else [])
    null = load(task(custom_fields=[{**shape, KEYS[kind]: None}]))
    assert cells(null) == {}
    assert [issue[3] for issue in issues_of(null)] == [shown]


def test_a_time_of_day_has_a_column_of_its_own(load):
    """It is in UTC; the date stays Asana's own. The column exists only where a time occurs."""
    moment = "2024-08-23T22:30:00.000Z"
    shapes = [
        {"date": "2024-08-24", "date_time": moment},
        {"date_time": moment},
        {"date": "2024-08-24"},
        moment,
        None,
    ]
    rows = [
        task(str(n), custom_fields=[field("date", date_value=shape)])
        for n, shape in enumerate(shapes)
    ]
    data = load(*rows, task("9", custom_fields=[field("date", display_value=moment)]))
    frame = data["task"]
    assert [str(day)[:10] for day in frame["custom_fields.F"]] == [
        "2024-08-24",
        "2024-08-23",
        "2024-08-24",
        "2024-08-23",
        "NaT",
        "2024-08-23",
    ]
    times = frame["custom_fields.F.date_time"]
    assert times.dtype == "datetime64[us, UTC]"
    assert list(times.notna()) == [True, True, False, True, False, True]
    assert set(times.dropna()) == {pd.Timestamp(moment)}
    assert not data.issue_count
    long = load(*rows, custom_fields="long").custom_field_values
    assert long["date_value.date_time"].notna().sum() == 3


def test_a_field_with_and_without_a_gid_is_one_column(load):
    """Told by name and type, where that is unambiguous; in all modes."""
    rows = [
        task("1", custom_fields=[{"gid": "7", **field("number", number_value=1)}]),
        task("2", custom_fields=[field("number", number_value=2)]),
        task("3", custom_fields=[field("text", text_value="other")]),
        task("4", custom_fields=[{"gid": "7", "name": "F", "number_value": 4}]),
        task("5", custom_fields=[{"gid": "7", "display_value": "5"}]),
    ]
    data = load(*rows)
    assert list(data["task"]["custom_fields.F [7]"].fillna(0)) == [1, 2, 0, 4, 5]
    assert list(data["task"]["custom_fields.F [text]"].fillna("")) == ["", "", "other", "", ""]
    assert list(data.custom_fields["gid"].fillna("")) == ["7", ""]
    long = load(*rows, custom_fields="long").custom_field_values
    assert list(long["number_value"].fillna(0)) == [1, 2, 0, 4, 5]
    raw = load(*rows, custom_fields="raw")["task"]
    assert [fields[0]["number_value"] for fields in raw["custom_fields"]] == [1, 2, None, 4, None]


def test_two_fields_of_one_name_and_type_make_a_third_without_gid(load):
    """It could be either of them, so it keeps its own column."""
    first, second = (
        {"gid": gid, **field("number", number_value=n)} for n, gid in enumerate("78", 1)
    )
    data = load(
        task("1", custom_fields=[first, second]),
        task("2", custom_fields=[field("number", number_value=3)]),
    )
    assert list(data.custom_fields["column"]) == [
        "custom_fields.F [7]",
        "custom_fields.F [8]",
        "custom_fields.F [number]",
    ]
    assert list(data["task"].filter(like="custom").fillna(0).sum()) == [1, 2, 3]


@pytest.mark.parametrize("last", [None, 3, 1])
def test_a_field_that_a_row_has_twice_keeps_the_last_value(load, last):
    """A differing value is an issue; an equal or missing one is not."""
    twice = [field("number", number_value=1), field("number", number_value=last)]
    data = load(task(custom_fields=twice))
    assert cells(data) == {"F": last or 1.0}
    assert [issue[3] for issue in issues_of(data)] == (["1.0"] if last == 3 else [])


def test_a_slim_definition_never_overrides_a_full_one(load):
    """Name, type, format and options stay; what it displays is read as the field is."""
    full = {"gid": "7", **field("number", number_value=1.5, precision=2, format="custom")}
    pick = {"gid": "8", "name": "P", "type": "enum", "enum_value": None, "enum_options": OPTIONS}
    slim = [
        {"gid": "7", "name": "F", "display_value": "2.5"},
        {"gid": "8", "name": "P", "display_value": "High"},
    ]
    data = load(task("1", custom_fields=[full, pick]), task("2", custom_fields=slim))
    assert list(data["task"]["custom_fields.F"]) == [1.5, 2.5]
    assert data["task"].at[1, "custom_fields.P"] == "High"
    row = data.custom_fields.iloc[0]
    assert (row["type"], row["precision"], row["format"]) == ("number", 2, "custom")
    assert not data.issue_count


def test_a_value_of_another_kind_is_reported(load):
    """Of a number only `number_value` is read; a text beside it does not vanish."""
    data = load(task(custom_fields=[field("number", number_value=1, text_value="lost?")]))
    assert cells(data) == {"F": 1.0}
    assert issues_of(data)[0][2:4] == ("custom_fields.F", '"lost?"')


def test_formatted_text_alone_is_reported(load):
    """Beside the plain text it is the same text."""
    rows = [
        task("1", custom_fields=[field("text", text_value="x", html_text_value="<b>x</b>")]),
        task("2", custom_fields=[field("text", html_text_value="<b>y</b>")]),
    ]
    data = load(*rows)
    assert list(data["task"]["custom_fields.F"].fillna("")) == ["x", ""]
    assert [issue[3] for issue in issues_of(data)] == ["<b>y</b>"]


TEXTS = st.sampled_from(["", " ", "x", "High", "High, Low, slow", "5.2", "2024-08-23", "a@b.c"])
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 7, -(2**53) - 1, 2**70, 1.5, 1e300]),
    TEXTS,
)
OBJECT = st.dictionaries(
    st.sampled_from(["gid", "name", "email", "date", "date_time", "resource_type", "x"]),
    st.one_of(st.none(), TEXTS, st.sampled_from(["31", 31, "2024-08-23T22:30:00Z"])),
    max_size=3,
)
SHAPES = st.one_of(PLAIN, OBJECT, st.lists(st.one_of(PLAIN, OBJECT), max_size=3))
KIND = st.one_of(st.none(), st.sampled_from([*KEYS, "formula", "hologram"]))
FIELD = st.fixed_dictionaries(
    {},
    optional={
        "gid": st.sampled_from(["7", 7, "8", None, ""]),
        "name": st.sampled_from(["F", "f", "F [7]", None]),
        "type": KIND,
        "resource_subtype": KIND,
        "representation_type": st.sampled_from(["formula", "custom_id", "text", None]),
        "display_value": st.none() | TEXTS,
        "enum_options": st.sampled_from([OPTIONS, [], None, "x"]),
        **dict.fromkeys([*KEYS.values(), "hologram_value"], SHAPES),
    },
)


def says_something(value):
    """Whether a value, in whatever shape, is not empty."""
    if isinstance(value, (list, dict)):
        return any(map(says_something, value.values() if isinstance(value, dict) else value))
    return value is not None and value != ""


def is_informative(field):
    """Whether a field has a value or a display value."""
    shown = field.get("display_value")
    keys = list(KEYS.values())
    if {field.get("type"), field.get("resource_subtype")} - {None, *KEYS}:
        keys.append("hologram_value")
    values = [field.get(key) for key in keys]
    return bool(shown and shown.strip()) or any(map(says_something, values))


def check_value_or_issue(path, fields, mode):
    """Load one row per field: each field with a value gives a cell or an issue."""
    path.write_bytes(as_lines(task(str(n), custom_fields=[one]) for n, one in enumerate(fields)))
    data = aj.read_asana_export(path, workers=1, custom_fields=mode, progress=False)
    frame = data["task"]
    assert len(frame) == len(fields)
    columns = list(frame.filter(like="custom_fields"))
    assert len({column.casefold() for column in columns}) == len(columns)
    if mode == "columns":
        given = frame[columns].notna().any(axis=1)
    else:
        values = data.custom_field_values
        filled = values.filter(like="_value").notna().any(axis=1)
        given = frame["gid"].isin(values["gid"][filled])
    reported = set(data.issues["line"].dropna())
    for line, (field, has_value) in enumerate(zip(fields, given, strict=True), 1):
        assert has_value or line in reported or not is_informative(field), field


@given(fields=st.lists(FIELD, min_size=1, max_size=6), mode=st.sampled_from(["columns", "long"]))
@settings(max_examples=60)
def test_a_value_or_an_issue(tmp_path_factory, fields, mode):
    """For any mixture of present, null, absent, plain and object shapes."""
    check_value_or_issue(tmp_path_factory.mktemp("shapes") / "a.jsonl", fields, mode)


@pytest.mark.slow
@given(fields=st.lists(FIELD, min_size=1, max_size=6), mode=st.sampled_from(["columns", "long"]))
@settings(max_examples=1000)
def test_a_value_or_an_issue_at_length(tmp_path_factory, fields, mode):
    """The same, longer."""
    check_value_or_issue(tmp_path_factory.mktemp("shapes") / "a.jsonl", fields, mode)


@pytest.mark.parametrize(
    ("kind", "key", "value", "shown"),
    [
        ("date", "date_value", {"start_on": "2026-01-01"}, '{"start_on": "2026-01-01"}'),
        ("people", "people_value", [{"user": {"name": "Ana"}}], '{"user": {"name": "Ana"}}'),
        ("people", "people_value", {"user": "Ana"}, '{"user": "Ana"}'),
        ("reference", "reference_value", [{"url": "x"}, {"gid": "1"}], '{"url": "x"}'),
        ("enum", "enum_value", {"value": "High"}, '{"value": "High"}'),
        ("multi_enum", "multi_enum_values", [{"value": "API"}, "Web"], '{"value": "API"}'),
    ],
)
def test_an_object_of_unknown_keys_is_shown_whole(load, kind, key, value, shown):
    """The issue has the keys that were not read; neighbouring values stay."""
    field = {"gid": "1", "name": "F", "type": kind, key: value}
    data = load(task(custom_fields=[field]), task("2", custom_fields=[field]))
    assert [issue[2:4] for issue in issues_of(data)] == [("custom_fields.F", shown)] * 2
    cell = data["task"]["custom_fields.F"].iloc[0]
    if isinstance(value, list) and len(value) == 2:
        assert len(cell) == 1


@pytest.mark.parametrize(
    ("shape", "expected", "reported"),
    [
        ({"type": "rating", "rating_value": 5}, "5", []),
        ({"type": "rating", "rating_value": 0, "text_value": None}, "0", []),
        ({"type": "rating", "rating_value": "five"}, "five", []),
        ({"type": "rating", "rating_value": {"stars": 5}}, '{"stars": 5}', []),
        ({"type": "rating", "rating_value": 5, "enabled": True}, "5", []),
        ({"type": "text", "resource_subtype": "rating", "rating_value": 5}, "5", []),
        ({"type": "number", "resource_subtype": "rating", "rating_value": 5}, 5.0, []),
        ({"rating_value": 5}, "5", []),
        ({"type": "rating", "stars": 5}, None, ["5"]),
        ({"type": "rating", "low_value": 1, "high_value": 2}, None, ["1", "2"]),
        ({"type": "rating", "rating_value": 5, "scale": [1, 9]}, "5", ["[1, 9]"]),
        ({"type": "rating", "rating_value": 5, "display_value": "5 stars"}, "5 stars", []),
        ({"type": "rating", "rating_value": None, "created_by": {"gid": "1"}}, None, []),
    ],
)
@pytest.mark.parametrize("gid", [{}, {"gid": "7"}])
@pytest.mark.parametrize("mode", ["columns", "long"])
def test_a_type_that_is_not_known_yet(load, shape, expected, reported, gid, mode):
    """The only value of a key like `rating_value` is the text; anything else is an issue."""
    later = {**gid, "name": "F", **shape}
    data = load(
        task("1", custom_fields=[later]), task("2", custom_fields=[later]), custom_fields=mode
    )
    if mode == "columns":
        cell = data["task"]["custom_fields.F"].iloc[1]
        assert pd.isna(cell) if expected is None else cell == expected
    else:
        values = data.custom_field_values.filter(regex="_value$").iloc[1].dropna()
        assert set(values) <= {expected, str(expected).removesuffix(".0")}
        assert bool(len(values)) == (expected is not None)
    assert sorted(data.issues["value"]) == sorted(reported * 2)


@pytest.mark.parametrize(
    ("shape", "expected", "reported"),
    [
        ({"type": "number", "value": 5}, 5.0, []),
        ({"type": "text", "value": "x"}, "x", []),
        ({"type": "date", "value": "2024-01-02"}, pd.Timestamp("2024-01-02"), []),
        ({"type": "number", "extra": 5}, None, ["5"]),
        ({"type": "enum", "value": {"name": "High"}}, None, ['{"name": "High"}']),
        ({"type": "people", "value": [{"gid": "1"}]}, None, ['[{"gid": "1"}]']),
        ({"type": "number", "number_value": None, "value": 5}, None, []),  # null is a value
        ({"type": "number"}, None, []),
    ],
)
def test_a_value_under_an_undocumented_key(load, shape, expected, reported):
    """It is taken where its meaning is plain, else reported; in every row of a long file, too."""
    rows = [
        task(str(number), custom_fields=[{"gid": "7", "name": "F", **shape}])
        for number in range(200)
    ]
    data = load(*rows)
    cells = data["task"]["custom_fields.F"]
    assert cells.isna().all() if expected is None else (cells == expected).all()
    assert data.issue_count == len(reported) * len(rows)
    assert set(data.issues["value"]) == set(reported)
