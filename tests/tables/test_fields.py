"""`data.field()`, `data.dictionary()`, and what a notebook sees of an export."""

import pandas as pd
import pytest
from rows import field, task

import asana_jobs_pd as aj
from asana_jobs_pd.errors import InvalidFieldError, InvalidOptionError


@pytest.fixture(scope="module")
def namesakes(load):
    """Two fields called Cost, each in one task, and one of another type called Size."""
    return load(
        [
            task("1", memberships=[], custom_fields=[field("11", "number", 1, "Cost")]),
            task("2", memberships=[], custom_fields=[field("12", "number", 2, "Cost")]),
            task("3", memberships=[], custom_fields=[field("13", "number", 3, "Size")]),
            task("4", memberships=[], custom_fields=[field("14", "text", "big", "Size")]),
            task("5", memberships=[], custom_fields=[field("15", "text", "x", "Note")]),
        ]
    )


def test_a_field_is_found_by_name_gid_and_column(namesakes):
    assert namesakes.field("Note").name == "custom_fields.Note"
    assert namesakes.field("12").dropna().tolist() == [2]
    assert namesakes.field("custom_fields.Cost [11]").dropna().tolist() == [1]
    assert namesakes.field("Note", resource_type="task").index.equals(namesakes["task"].index)


def test_an_ambiguous_name_lists_the_choices(namesakes):
    with pytest.raises(InvalidFieldError, match=r"Cost \[11\]' \(number\).*merge=True"):
        namesakes.field("Cost")


def test_fields_in_different_currencies_are_not_said_to_be_one(load):
    """Their sum would be of no currency."""
    euros, dollars = (
        field(gid, "number", 1, "Cost", currency_code=code)
        for gid, code in (("11", "EUR"), ("12", "USD"))
    )
    data = load([task("1", memberships=[], custom_fields=[euros, dollars])])
    with pytest.raises(InvalidFieldError, match=r"Cost \[11\]' \(EUR\), .* \(USD\)\. .* of one\.$"):
        data.field("Cost")


def test_fields_of_a_name_and_type_are_merged(namesakes):
    merged = namesakes.field("Cost", merge=True)
    assert merged.name == "custom_fields.Cost"
    assert merged.dtype == "Float64"
    assert merged.iloc[:2].tolist() == [1, 2]
    assert merged.iloc[2:].isna().all()
    with pytest.raises(InvalidFieldError, match="different types"):
        namesakes.field("Size", merge=True)


def test_merged_enums_have_the_options_of_both(load):
    def enum(gid, option, other):
        options = [{"gid": f"{gid}1", "name": option}, {"gid": f"{gid}2", "name": other}]
        value = field(gid, "enum", options[0], "Prio", enum_options=options)
        return task(gid, memberships=[], custom_fields=[value])

    merged = load([enum("1", "High", "Low"), enum("2", "Urgent", "Low")]).field("Prio", merge=True)
    assert merged.tolist() == ["High", "Urgent"]
    assert set(merged.cat.categories) == {"High", "Low", "Urgent"}


def test_an_unknown_field_says_what_is_near(namesakes):
    for name in ("Notes", "NOTE"):
        with pytest.raises(InvalidFieldError, match="Did you mean 'Note'"):
            namesakes.field(name)
    with pytest.raises(InvalidFieldError, match="It has 'Cost', 'Size', 'Note'"):
        namesakes.field("Priority")
    with pytest.raises(InvalidFieldError, match=r"'project' have no column .* of type 'task'"):
        namesakes.field("Note", resource_type="project")
    for name in (5, "", None):
        with pytest.raises(InvalidOptionError, match="as text"):
            namesakes.field(name)


@pytest.fixture
def two_types(load):
    """A field called Cost of tasks, and another of projects."""
    project = {"gid": "8", "resource_type": "project"}
    return load(
        [
            task("1", memberships=[], custom_fields=[field("11", "number", 1, "Cost")]),
            project | {"custom_fields": [field("12", "number", 2, "Cost")]},
        ]
    )


def test_a_field_of_the_same_name_elsewhere_does_not_count(two_types):
    assert two_types.field("Cost").tolist() == [1]
    assert two_types.field("Cost", resource_type="project").tolist() == [2]
    assert two_types.field("12").tolist() == [2]
    with pytest.raises(InvalidFieldError, match="'team' have no column"):
        two_types.field("Cost", resource_type="team")


def test_what_was_not_loaded_is_not_left_out_of_a_merge(load):
    """Its values would be missing from a total."""
    rows = [task("1", custom_fields=[field(gid, "number", 1, "Cost")]) for gid in ("11", "12")]
    data = load(rows, columns=["gid", "custom_fields.Cost [11]"])
    assert data.field("11").name == "custom_fields.Cost [11]"
    with pytest.raises(InvalidFieldError, match=r"2 custom fields"):
        data.field("Cost")
    with pytest.raises(InvalidFieldError, match=r"Cost \[12\]' was not loaded; add it to columns="):
        data.field("Cost", merge=True)
    with pytest.raises(InvalidFieldError, match=r"No custom fields were loaded.*columns="):
        load(rows, columns="gid").field("Cost")


@pytest.mark.parametrize("custom_fields", ["raw", "long"])
def test_fields_have_to_be_columns(load, custom_fields):
    data = load(
        [task("1", custom_fields=[field("11", "number", 1, "Cost")])], custom_fields=custom_fields
    )
    with pytest.raises(InvalidOptionError, match="custom_fields='columns'"):
        data.field("Cost")


def test_types_are_attributes_and_complete_with_tab(graph):
    assert graph.task is graph["task"]
    assert "task" in dir(graph)
    assert graph._ipython_key_completions_() == list(graph)
    with pytest.raises(AttributeError, match="'AsanaExport' has no attribute 'goals'"):
        graph.goals  # noqa: B018


def test_types_that_are_no_attributes_are_completed_as_keys_alone(load):
    """Keywords of Python and what is no identifier; a method keeps its name."""
    names = ["class", "field", "two words"]
    data = load([task("1"), *({"gid": "2", "resource_type": name} for name in names)])
    assert data._ipython_key_completions_() == ["class", "field", "task", "two words"]
    assert "class" not in dir(data)
    assert "two words" not in dir(data)
    assert len(dir(data)) == len(set(dir(data)))
    assert callable(data.field)
    assert len(data["field"]) == 1


def test_a_notebook_shows_what_an_export_holds_and_how_current_it_is(load):
    page = load([task("1", modified_at="2026-05-01T10:00:59.9Z"), task("2", due_on="soon")])
    html = page._repr_html_()
    assert "<th>task</th>" in html
    assert "2026-05-01 10:00 UTC</td>" in html
    assert "NaT" not in html
    assert "<p>last change 2026-05-01 10:00 UTC; 1 issue, see .issues" in html
    assert "no rows; no issues" in load([])._repr_html_()


def test_the_dictionary_has_a_row_for_each_column(resource):
    found = resource.dictionary()
    columns = [(kind, column) for kind in resource for column in resource[kind].columns]
    assert list(zip(found["resource_type"], found["column"], strict=True)) == columns
    tasks = found[found["resource_type"] == "task"].set_index("column")
    assert type(tasks) is pd.DataFrame
    assert tasks.loc["due_on", "type"] == "date"
    assert tasks.loc["completed", "options"].startswith(("False (", "True ("))
    assert tasks.loc["memberships", "type"] == "list of objects"
    assert tasks.loc["assignee.name", "filled"] == resource.task["assignee.name"].notna().mean()
    cost = tasks.loc["custom_fields.Cost"]
    assert (cost["type"], cost["meaning"]) == ("number", "custom field Cost, currency, EUR")
    (prio,) = (column for column in tasks.index if tasks.loc[column, "type"] == "enum")
    counts = resource.task[prio].value_counts()
    assert f"High ({counts['High']})" in tasks.loc[prio, "options"]
    assert "custom_fields.Priority" in tasks.loc[prio, "same_name"]


def test_the_dictionary_says_which_projects_use_a_field(load):
    web = [{"project": {"gid": "9", "name": "Web"}, "section": {"gid": "8", "name": "Doing"}}]
    data = load(
        [
            task("1", memberships=web, custom_fields=[field("11", "number", 1, "Cost")]),
            task("2", memberships=[], custom_fields=[field("12", "number", 1, "Size")]),
        ]
    )
    found = data.dictionary().set_index("column")["projects"].dropna()
    assert found.to_dict() == {"custom_fields.Cost": "Web"}


def test_the_dictionary_has_the_first_of_many_options(load):
    """Of an enum field; of other columns, many values are no options."""
    rows = [
        task(str(number), memberships=[], approval_status=f"a{number}")
        | {"custom_fields": [field("1", "enum", {"gid": f"9{number}", "name": f"o{number}"})]}
        for number in range(10, 30)
    ]
    found = load(rows).dictionary().set_index("column")["options"]
    assert found["custom_fields.enum"].startswith("o10 (1), o11 (1), ")
    assert found["custom_fields.enum"].endswith("o21 (1) and 8 more")
    assert found["approval_status"] is pd.NA


def test_the_dictionary_has_fields_without_a_name(load):
    """Beside fields that share one."""
    fields = [field("11", "text", "a", "Cost"), field("12", "number", 1, "Cost")]
    nameless = field("13", "text", "a") | {"name": None}
    data = load([task("1", memberships=[], custom_fields=[*fields, nameless])])
    found = data.dictionary().set_index("column")
    assert found.loc["custom_fields.Cost [11]", "same_name"] == "custom_fields.Cost [12]"
    assert found.loc["custom_fields [13]", "meaning"] == "custom field 13"
    assert found.loc["custom_fields [13]", "same_name"] is pd.NA


@pytest.mark.parametrize("dtype_backend", ["numpy_nullable", "pyarrow"])
def test_the_dictionary_has_all_options_in_asanas_order(load, tmp_path, dtype_backend):
    """Those without a task, too; also when the export comes from Parquet."""
    options = [{"gid": str(number), "name": name} for number, name in enumerate("cab")]
    value = field("11", "enum", options[2], "Prio", enum_options=options)
    row = task("1", memberships=[], custom_fields=[value])
    data = load([row, task("2", memberships=[])], dtype_backend=dtype_backend)
    lake = data.to_parquet(tmp_path / "lake")
    for export in (data, aj.read_asana_dataset(lake, dtype_backend=dtype_backend)):
        found = export.dictionary().set_index("column")["options"]
        assert found["custom_fields.Prio"] == "c (0), a (0), b (1)"


def test_the_dictionary_is_a_page_in_a_notebook(load):
    value = field("11", "text", "<i>", "<b>bold</b>")
    html = load([task("1", memberships=[], custom_fields=[value])]).dictionary()._repr_html_()
    assert "&lt;b&gt;bold&lt;/b&gt;" in html
    assert "<b>" not in html
    assert "<i>" not in html
    assert "100%" in html
