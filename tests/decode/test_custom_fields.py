"""Custom fields become one typed column each, in whatever form they arrive."""

from __future__ import annotations

import pandas as pd
import pytest
from export_fixtures import issues_of, task

OPTIONS = [{"gid": "1", "name": "Low"}, {"gid": "2", "name": "High"}, {"gid": "3", "name": "Never"}]


def field(gid, name, kind, value, **more):
    key = {"multi_enum": "multi_enum_values"}.get(kind, f"{kind}_value")
    return {"gid": gid, "name": name, "type": kind, key: value, "display_value": "shown", **more}


FIELDS = [
    field("10", "Notes", "text", "x"),
    field("11", "Cost", "number", 5, precision=2, format="currency", currency_code="EUR"),
    field("12", "Progress", "number", 0.25, format="percentage"),
    field("13", "Priority", "enum", OPTIONS[1], enum_options=OPTIONS),
    field("14", "Areas", "multi_enum", OPTIONS[:2], enum_options=OPTIONS),
    field("15", "Launch", "date", {"date": "2024-08-23", "date_time": None}),
    field("16", "Owners", "people", [{"gid": "7", "name": "Ana", "email": "a@example.com"}]),
    field("17", "Related", "reference", [{"gid": "8", "resource_type": "task", "name": "T"}]),
    field("18", "Rate", "number", 1.5, representation_type="formula"),
    field("19", "ID", "text", None, representation_type="custom_id", display_value="WEB-1"),
    {"gid": "20", "name": "New", "type": "hologram", "display_value": "seen"},
]


def test_each_kind_has_its_dtype_and_values(load):
    """Names, dtypes, values; a date is a date, a percentage a share."""
    data = load(task(custom_fields=FIELDS), task("2", custom_fields=[]), task("3"))
    frame = data["task"]
    row = frame.iloc[0].filter(like="custom_fields.")
    assert [name.removeprefix("custom_fields.") for name in row.index] == [
        one["name"] for one in FIELDS
    ]
    assert list(row[:4]) == ["x", 5.0, 0.25, "High"]
    assert list(row["custom_fields.Areas"]) == ["Low", "High"]
    assert row["custom_fields.Launch"] == pd.Timestamp("2024-08-23")
    assert list(row["custom_fields.Owners"]) == [
        {"gid": "7", "name": "Ana", "email": "a@example.com"}
    ]
    assert list(row["custom_fields.Related"]) == [
        {"gid": "8", "resource_type": "task", "name": "T"}
    ]
    assert list(row[8:]) == [1.5, "WEB-1", "seen"]
    assert list(frame["custom_fields.Priority"].cat.categories) == ["Low", "High", "Never"]
    dtypes = [str(dtype) for dtype in frame.filter(like="custom_fields.").dtypes]
    assert dtypes[:6] == [
        "string",
        "Float64",
        "Float64",
        "category",
        "list<item: string>[pyarrow]",
        "datetime64[us]",
    ]
    assert frame.iloc[1:].filter(like="custom_fields.").isna().all(axis=None)
    assert not len(data.issues)


def test_the_catalogue_describes_them(load):
    """One row a field over all types of row."""
    catalogue = load(
        task(custom_fields=FIELDS),
        {"gid": "1", "resource_type": "project", "custom_fields": FIELDS[1:2]},
    ).custom_fields.set_index("gid")
    assert list(catalogue.index) == [one["gid"] for one in FIELDS]
    cost = catalogue.loc["11"]
    assert list(
        cost[["column", "name", "type", "precision", "format", "currency_code", "rows"]]
    ) == ["custom_fields.Cost", "Cost", "number", 2, "currency", "EUR", 2]
    assert list(catalogue.at["13", "options"]) == ["Low", "High", "Never"]


def test_names_are_settled_over_all_files(export, load):
    """Columns are named by gid where two fields share a name, in every frame."""
    one = export(
        task(custom_fields=[field("1", "Priority", "text", "a"), field("3", "Only", "text", "c")])
    )
    two = export(
        {
            "gid": "9",
            "resource_type": "project",
            "custom_fields": [field("2", "Priority", "number", 1)],
        }
    )
    import asana_jobs_pd as aj

    data = aj.read_asana_export([one, two], workers=1)
    assert {name for name in data["task"] if "custom" in name} == {
        "custom_fields.Priority [1]",
        "custom_fields.Only",
    }
    assert "custom_fields.Priority [2]" in data["project"]


def test_a_field_that_changes_is_what_it_was_last(load):
    """Name and kind of the last definition; what does not fit it is reported."""
    data = load(
        task("1", custom_fields=[field("5", "Old", "text", "word")]),
        task("2", custom_fields=[field("5", "New", "number", 3)]),
    )
    assert list(data["task"]["custom_fields.New"].fillna(-1)) == [-1, 3]
    assert data["task"]["custom_fields.New"].dtype == "Float64"
    reasons = {(line, gid, column, value) for line, gid, column, value, _ in issues_of(data)}
    assert reasons == {
        (1, "1", "custom_fields.New", "word"),
        (1, "5", "custom_fields.New", "Old"),
        (1, "5", "custom_fields.New", "text"),
    }


def test_values_that_do_not_fit_are_reported_by_the_columns_name(load):
    """Missing and reported, the others of the row stay."""
    broken = [
        field("11", "Cost", "number", "5 EUR"),
        field("15", "Launch", "date", {"date": "2024-13-45"}),
        field("13", "Priority", "enum", 7),
        {"type": "text", "text_value": "whose?"},
        "no object",
        FIELDS[0],
    ]
    data = load(task(custom_fields=broken), task("2", custom_fields="none"))
    assert data["task"].at[0, "custom_fields.Notes"] == "x"
    assert data["task"].filter(like="custom_fields.").iloc[0].count() == 1
    assert {issue[2:4] for issue in issues_of(data) if issue[3] != "shown"} == {
        ("custom_fields", '{"type":"text","text_value":"whose?"}'),
        ("custom_fields", '"no object"'),
        ("custom_fields", '"none"'),
        ("custom_fields.Cost", "5 EUR"),
        ("custom_fields.Launch", "2024-13-45"),
        ("custom_fields.Priority", "7"),
    }


def test_options_are_all_that_came(load):
    """First those of the last list, then of earlier lists, then values that no list names."""
    data = load(
        task(
            "1",
            custom_fields=[
                field("1", "P", "enum", {"name": "C"}, enum_options=[{"name": "A"}, {"name": "B"}])
            ],
        ),
        task(
            "2",
            custom_fields=[
                field("1", "P", "enum", None, enum_options=[{"name": "B"}, {"name": "D"}])
            ],
        ),
    )
    assert list(data["task"]["custom_fields.P"].cat.categories) == ["B", "D", "A", "C"]


@pytest.mark.parametrize("stray", [None, 5, [], {"name": 5}, {"name": None}, {}, "Maybe"])
def test_a_stray_option_costs_no_other(load, stray):
    """Neither the order of the categories nor the names of options that come as gids."""
    options = [OPTIONS[1], stray, OPTIONS[0], "Never"]
    data = load(
        task(
            custom_fields=[
                field("1", "P", "enum", {"gid": "1"}, enum_options=options),
                field("2", "Q", "multi_enum", [{"gid": "2"}, "Never"], enum_options=options),
            ]
        )
    )
    frame = data["task"]
    assert frame.at[0, "custom_fields.P"] == "Low"
    assert list(frame.at[0, "custom_fields.Q"]) == ["High", "Never"]
    categories = list(frame["custom_fields.P"].cat.categories)
    assert [name for name in categories if name != "Maybe"] == ["High", "Low", "Never"]
    assert ("Maybe" in categories) == (stray == "Maybe")
    assert not data.issue_count


def test_long_gives_one_row_a_value(load):
    """All types of row in one frame; the others have no custom fields."""
    data = load(
        task(custom_fields=FIELDS),
        {"gid": "4", "resource_type": "project", "custom_fields": FIELDS[:1]},
        custom_fields="long",
    )
    values = data.custom_field_values
    assert len(values) == 12
    assert list(values.iloc[0][["resource_type", "gid", "custom_field.gid", "text_value"]]) == [
        "project",
        "4",
        "10",
        "x",
    ]
    assert list(values["display_value"].dropna().unique()) == ["shown", "WEB-1", "seen"]
    assert "custom_fields" not in "".join(data["task"].columns)
    assert load(task(), custom_fields="long").custom_field_values.shape == (0, 14)


def test_raw_keeps_them_as_they_came(load):
    """A list of structs with everything that was in them."""
    data = load(task(custom_fields=FIELDS[:2]), custom_fields="raw")
    [first, second] = data["task"].at[0, "custom_fields"]
    assert first["text_value"] == "x"
    assert second["currency_code"] == "EUR"
    assert data.custom_field_values is None


@pytest.mark.parametrize("gid", [10, "10"])
def test_a_gid_that_is_a_number_is_the_same_field(load, gid):
    """As for all gids."""
    frame = load(
        task(custom_fields=[FIELDS[0]]), task("2", custom_fields=[{**FIELDS[0], "gid": gid}])
    )["task"]
    assert list(frame["custom_fields.Notes"]) == ["x", "x"]


def test_an_invalid_precision_is_an_issue(load):
    """A precision beyond 64 bits is reported: it cannot be valid."""
    data = load(task(custom_fields=[{**FIELDS[1], "precision": 2**70}]))
    assert data["task"].at[0, "custom_fields.Cost"] == 5
    assert data.custom_fields["precision"].isna().all()
    assert issues_of(data)[0][2] == "custom_fields.Cost"


def test_fields_that_are_expected_exactly_read_as_any(export, monkeypatch):
    """Decoding row by row, with exact types after the first, gives the same as all at once."""
    import asana_jobs_pd as aj
    from asana_jobs_pd._decode import custom_fields, scan

    renamed = [{**one, "name": one["name"] + "!"} for one in FIELDS]
    fewer = [{key: one[key] for key in one if key != "currency_code"} for one in FIELDS]
    gids = [{**one, "gid": f"3{one['gid']}"} for one in FIELDS]
    path = export(
        *[
            task(str(number), custom_fields=fields)
            for number, fields in enumerate([FIELDS, FIELDS, renamed, fewer, FIELDS, gids, FIELDS])
        ]
    )
    made = []
    exact_type = custom_fields._exact_type
    monkeypatch.setattr(custom_fields, "_exact_type", lambda *a: made.append(a) or exact_type(*a))
    once = aj.read_asana_export(path, workers=1)
    first = len(made)
    monkeypatch.setattr(scan, "_BUNDLE", 1)
    again = aj.read_asana_export(path, workers=1)
    assert len(made) - first > len(FIELDS)
    pd.testing.assert_frame_equal(again["task"], once["task"])
    pd.testing.assert_frame_equal(again.custom_fields, once.custom_fields)
    pd.testing.assert_frame_equal(again.issues, once.issues)
