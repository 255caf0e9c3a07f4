"""Mutated lines of every documented type, checked against the `json` module alone."""

from __future__ import annotations

import json
import math
from collections import Counter

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asana_jobs_pd as aj
from asana_jobs_pd._decode.schema import SCHEMA
from asana_jobs_pd.errors import AsanaJobsError

SAMPLES = {
    "gid": "1200000000000001",
    "time": "2024-02-22T02:06:58.147Z",
    "date": "2024-09-15",
    "bool": True,
    "int": 7,
    "float": 2.5,
}
FIELDS = [
    {"gid": "1", "name": "Notes", "type": "text", "text_value": "x"},
    {"name": "Cost", "type": "number", "number_value": 5.5},
    {"gid": "3", "name": "Stage", "type": "enum", "enum_value": {"gid": "31", "name": "High"}},
    {"name": "Areas", "type": "multi_enum", "multi_enum_values": ["API"]},
    {"gid": "5", "name": "Launch", "type": "date", "date_value": {"date": "2024-08-23"}},
    {"gid": "6", "name": "Owners", "type": "people", "people_value": [{"email": "a@b.c"}]},
]
VALUE_KEYS = ("text_value", "number_value", "enum_value", "multi_enum_values", "date_value")
INTERNAL = ["#line", "#digest", "#custom_fields", '"line"', "assignee.gid", "gid (2)"]
ODD = ["new", "Name", "NAME", "a\nb", 'q"', "\x00", "", "custom_fields.Cost", "\\", "é", "a.b"]
KEYS = st.sampled_from([*INTERNAL, *ODD, "x_at", "x_on"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**53 + 1, 2**63, -1, 0, 1.5, 1e300, -0.0]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(["", "x", "2024-01-01", "2024-01-01T00:00:00.5Z", "9999-12-31", "5", "1e400"]),
    st.text(max_size=5),
)
JSONS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS | st.sampled_from(["gid", "name"]), inner, max_size=3)
    ),
    max_leaves=5,
)


def sample(spec, name):
    """Return a value as the schema describes it; texts name their own place."""
    if isinstance(spec, dict):
        return {key: sample(inner, f"{name}.{key}") for key, inner in spec.items()}
    if isinstance(spec, list):
        return [sample(spec[0], name)]
    return FIELDS if spec == "custom_fields" else SAMPLES.get(spec, name)


ROWS = {name: sample(spec, name) | {"resource_type": name} for name, spec in SCHEMA.items()}


@st.composite
def rows(draw):
    """Return a row of a documented type with some of its parts mutated."""
    name = draw(st.sampled_from(sorted(ROWS)))
    keys = draw(st.lists(st.sampled_from(sorted(ROWS[name])), max_size=6, unique=True))
    row = {"gid": str(draw(st.integers(1, 10**19)))} | {key: ROWS[name][key] for key in keys}
    row = json.loads(json.dumps(row | {"resource_type": name}))
    for _ in range(draw(st.integers(0, 4))):
        mutate(draw, row)
    return row


def mutate(draw, node):
    """Change something in a tree: a value, a key, or deeper inside."""
    if not node:
        return
    keys = range(len(node)) if isinstance(node, list) else sorted(node)
    key = draw(st.sampled_from(list(keys)))
    what = draw(st.sampled_from(["deeper", "replace", "wrap", "remove", "add"]))
    if key == "resource_type":
        what = "add"
    if what == "deeper" and isinstance(node[key], (dict, list)):
        mutate(draw, node[key])
    elif what == "wrap":
        node[key] = draw(st.sampled_from([[node[key]], {"gid": node[key]}, str(node[key])]))
    elif what == "remove":
        del node[key]
    elif what == "add" and isinstance(node, dict):
        node[draw(KEYS)] = draw(JSONS)
    else:
        node[key] = draw(JSONS)


@st.composite
def texts(draw):
    """Return a line: mostly JSON, sometimes with bytes that are damaged."""
    text = json.dumps(draw(rows()), ensure_ascii=draw(st.booleans()))
    line = text.replace("Infinity", draw(st.sampled_from(["Infinity", "1e400"])))
    data = line.encode("utf-8", "surrogatepass")
    damage = draw(st.sampled_from([None] * 8 + ["cut", "byte", "surrogate"]))
    position = draw(st.integers(1, len(data)))
    if damage == "cut":
        return data[:position]
    if damage == "byte":
        return data[:position] + draw(st.binary(min_size=1, max_size=2)) + data[position:]
    if damage == "surrogate":
        return data.replace(b'"x', b'"\\ud800x')
    return data


def leaves(value):
    """Yield the scalars in a value that carry information."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, (list, tuple)) or type(value).__name__ == "ndarray":
        for inner in value:
            yield from leaves(inner)
    elif value is not None and value is not pd.NaT and value is not pd.NA:
        yield value


def is_same(value, cell):
    """Whether a cell holds a scalar of the file."""
    if isinstance(cell, str):
        return (
            cell == value or cell in written(value) or any(text in cell for text in written(value))
        )
    if isinstance(value, str):
        try:
            moment = pd.Timestamp(value)
            return moment.tz_localize(moment.tz or "UTC") == pd.Timestamp(cell, tz="UTC")
        except (ValueError, TypeError):
            try:
                return moment == pd.Timestamp(cell)
            except (ValueError, TypeError, UnboundLocalError):
                return False
    return bool(value == cell)


def written(value):
    """Return the ways in which JSON writes a scalar."""
    return {json.dumps(value), json.dumps(value, ensure_ascii=False), str(value)}


def check(path, lines):
    """Load the lines; every scalar of every row is in its frame, or its line in the issues."""
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    try:
        data = aj.read_asana_export(path, workers=1, on_bad_lines="skip", progress=False)
    except AsanaJobsError:
        return
    reported = data.issues.groupby("line")["column"].agg(list).to_dict()
    found = {name: frame.to_dict("records") for name, frame in data.items()}
    split = path.read_bytes().split(b"\n")  # damage may be a line break
    rows = list(map(parsed, split))
    keys = Counter(key_of(row) for row in rows if row is not None)
    for number, (line, row) in enumerate(zip(split, rows, strict=True), 1):
        columns = reported.get(number)
        if row is None:
            assert columns is not None or not line.strip(), line
        elif keys[key_of(row)] == 1 and not any(map(pd.isna, columns or ())):
            records = found.get(row["resource_type"], [])
            check_row(row, records, [str(column) for column in columns or ()])


def parsed(line):
    """Return the row of a line, or None if it is not a row."""
    try:
        row = json.loads(line.decode("utf-8", "replace"))
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("resource_type"), str) else None


def key_of(row):
    """Return what rows share of which only one is kept."""
    return row["resource_type"], str(row.get("gid"))


def check_row(row, records, reported):
    """Check that some record has everything of the row that is not reported."""
    missing = [list(lost(row, record, reported)) for record in records]
    assert any(not values for values in missing), (row, min(missing, key=len, default=None))


def lost(row, record, reported):
    """Yield what of a row is neither in a record nor reported."""
    for key, value in row.items():
        if any(column.startswith(key) for column in reported):
            continue
        cells = [
            cell
            for column, content in record.items()
            if column.startswith(key)
            for cell in leaves(content)
        ]
        if key == "custom_fields" and isinstance(value, list):
            yield from lost_fields(value, cells, reported)
            continue
        for leaf in leaves(value):
            if leaf == "" or (isinstance(leaf, float) and not math.isfinite(leaf)):
                continue
            if not any(is_same(leaf, cell) for cell in cells):
                yield key, leaf


def lost_fields(fields, cells, reported):
    """Yield custom fields of which nothing arrived although they have a value."""
    if any(column.startswith("custom_fields") for column in reported):
        return
    for field in filter(lambda field: isinstance(field, dict), fields):
        values = [leaf for key in VALUE_KEYS for leaf in leaves(field.get(key)) if leaf != ""]
        if values and not any(is_same(value, cell) for value in values for cell in cells):
            yield field


@given(lines=st.lists(texts(), min_size=1, max_size=5))
@settings(max_examples=20)
def test_nothing_is_lost_silently(tmp_path_factory, lines):
    """Whatever a line contains is in the frame or in the issues. No foreign exception is raised."""
    check(tmp_path_factory.mktemp("fuzz") / "a.jsonl", lines)


@pytest.mark.slow
@given(lines=st.lists(texts(), min_size=1, max_size=5))
@settings(max_examples=2000)
def test_nothing_is_lost_silently_at_length(tmp_path_factory, lines):
    """The same, longer."""
    check(tmp_path_factory.mktemp("fuzz") / "a.jsonl", lines)
