"""Cells: when they are equal, and how values are written."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asana_jobs_pd._compare.cells import TEXT, common_type, conform, differ, plain, texts

PERSON = pa.struct([("gid", TEXT), ("name", TEXT)])
PEOPLE = pa.list_(PERSON)


def differs(old, new, type_, *, any_order=False):
    """Whether one value differs from another."""
    columns = tuple(pa.chunked_array([pa.array([value], type_)]) for value in (old, new))
    first = np.array([0])
    return bool(differ(columns, (first, first), any_order=any_order)[0])


def person(gid, name="Ana"):
    return {"gid": gid, "name": name}


@pytest.mark.parametrize(
    ("old", "new", "type_", "expected"),
    [
        ("a", "b", TEXT, True),
        ("a", None, TEXT, True),
        ("", None, TEXT, True),
        (None, None, TEXT, False),
        (0.1 + 0.2, 0.3, pa.float64(), False),
        (0.1, 0.1001, pa.float64(), True),
        (0.0, None, pa.float64(), True),
        (math.nan, None, pa.float64(), False),
        (math.inf, math.inf, pa.float64(), False),
        (math.inf, 1.0, pa.float64(), True),
        (2**62, 2**62 + 1, pa.int64(), True),
        ([], None, PEOPLE, False),
        ([person("1")], [], PEOPLE, True),
        ([person("1"), person("2")], [person("2"), person("1")], PEOPLE, False),
        ([person("1"), person("1")], [person("1")], PEOPLE, True),
        ([person("1")], [person("1", "Anna")], PEOPLE, False),
        ([person("1")], [person("2")], PEOPLE, True),
        (person("1"), person("1", "Anna"), PERSON, False),
        (person(None, None), None, PERSON, False),
        ([1.0, 2.0], [2.0, 1.0], pa.list_(pa.float64()), True),
        (["a", "b"], ["b", "a"], pa.list_(TEXT), True),
        ([["a"], ["b"]], [["a"], ["b"]], pa.list_(pa.list_(TEXT)), False),
        ([["a"], ["b"]], [["a", "b"], []], pa.list_(pa.list_(TEXT)), True),
    ],
)
def test_which_cells_differ(old, new, type_, expected):
    """Missing equals missing, noise is ignored, gids decide, and sets have no order."""
    assert differs(old, new, type_) is expected
    assert differs(new, old, type_) is expected


def test_lists_of_options_may_have_any_order():
    """Lists of texts have no order if the caller says so, as for multi-enum fields."""
    options = pa.list_(TEXT)
    assert not differs(["a", "b"], ["b", "a"], options, any_order=True)
    assert differs(["a", "b"], ["b"], options, any_order=True)


def test_memberships_are_a_set_although_their_items_have_no_gid():
    """Memberships hold objects with gids: project and section."""
    memberships = pa.list_(pa.struct([("project", PERSON), ("section", PERSON)]))
    one = {"project": person("1"), "section": person("10")}
    other = {"project": person("2"), "section": None}
    assert not differs([one, other], [other, one], memberships)
    assert not differs([one], [{**one, "section": person("10", "Later")}], memberships)
    assert differs([one], [{**one, "section": person("11")}], memberships)


_VALUES = st.one_of(
    st.none(),
    st.lists(
        st.one_of(st.none(), st.builds(person, st.sampled_from("123"), st.sampled_from("xy"))),
        max_size=3,
    ),
)


def _key(value):
    """Return the gids of a list, computed in another way."""
    return sorted(str(one and one["gid"]) for one in value or [])


@given(st.lists(st.tuples(_VALUES, _VALUES), max_size=20), st.integers(0, 3))
def test_lists_of_people_differ_when_their_gids_do(pairs, skip):
    """Whatever the other rows are, and in slices of arrays too."""
    columns = tuple(
        pa.chunked_array([pa.array([pair[side] for pair in pairs], PEOPLE).slice(skip)])
        for side in (0, 1)
    )
    rows = np.arange(len(columns[0]))[::-1]
    expected = [_key(one) != _key(other) for one, other in pairs[skip:]]
    assert differ(columns, (rows, rows)).tolist() == expected[::-1]


@pytest.mark.parametrize(
    ("value", "type_", "text"),
    [
        ("x", TEXT, "x"),
        (True, pa.bool_(), "true"),
        (7, pa.int64(), "7"),
        (5.20, pa.float64(), "5.2"),
        (5.0, pa.float64(), "5"),
        (0.1 + 0.2, pa.float64(), "0.30000000000000004"),
        (date(2024, 9, 5), pa.date32(), "2024-09-05"),
        (datetime(2024, 2, 2, 2, 6, 58, 147000, UTC), pa.timestamp("us", "UTC"),
         "2024-02-02T02:06:58.147Z"),
        (datetime(2024, 2, 2, 10, 0, 0, 0, UTC), pa.timestamp("us", "UTC"), "2024-02-02T10:00:00Z"),
        ([person("2"), person("1")], PEOPLE,
         '[{"gid":"1","name":"Ana"},{"gid":"2","name":"Ana"}]'),
        (["b", "a"], pa.list_(TEXT), '["b","a"]'),
    ],
)  # fmt: skip
def test_how_values_read(value, type_, text):
    """Text is exact, in ISO 8601 and JSON; sets are sorted."""
    assert texts(pa.array([value, None], type_)).to_pylist() == [text, None]


@given(st.datetimes())
def test_times_come_back_from_their_text(time):
    """Times survive the round trip to the microsecond."""
    text = texts(pa.array([time.replace(tzinfo=UTC)], pa.timestamp("us", "UTC")))[0].as_py()
    assert datetime.fromisoformat(text) == time.replace(tzinfo=UTC)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_come_back_from_their_text(number):
    """Numbers survive the round trip to the last bit."""
    assert float(texts(pa.array([number]))[0].as_py()) == number


@pytest.mark.parametrize(
    ("array", "type_", "values"),
    [
        (pa.array(["a", "b", "a"]).dictionary_encode(), TEXT, ["a", "b", "a"]),
        (pa.array(["a"], pa.string()), TEXT, ["a"]),
        (pa.array([1, None], pa.int8()), pa.int64(), [1, None]),
        (pa.array([Decimal("1.5")]), pa.float64(), [1.5]),
        (pa.array([np.datetime64("2024-01-01T00:00:00", "ns")]), pa.timestamp("us", "UTC"),
         [datetime(2024, 1, 1, tzinfo=UTC)]),
        (pa.array([[person("1")], None, []], pa.large_list(PERSON)), PEOPLE,
         [[person("1")], None, []]),
    ],
)  # fmt: skip
def test_one_type_for_the_same_values(array, type_, values):
    """Categories, short strings, nanoseconds and small integers get one plain type."""
    assert plain(array.type) == type_
    assert array.cast(plain(array.type), safe=False).to_pylist() == values


def test_a_type_for_both_sides():
    """Keys of objects are united, numbers become floats; text and numbers have no common type."""
    wide = pa.struct([("gid", TEXT), ("name", TEXT), ("email", TEXT)])
    narrow = pa.struct([("gid", TEXT)])
    assert common_type(pa.list_(narrow), pa.list_(wide)) == pa.list_(wide)
    assert conform(pa.array([[{"gid": "1"}]], pa.list_(narrow)), pa.list_(wide)).to_pylist() == [
        [{"gid": "1", "name": None, "email": None}]
    ]
    assert common_type(pa.int64(), pa.float64()) == pa.float64()
    assert common_type(pa.date32(), pa.timestamp("us", "UTC")) == pa.timestamp("us", "UTC")
    assert common_type(pa.null(), wide) == wide
    assert common_type(wide, pa.null()) == wide
    assert common_type(TEXT, pa.float64()) is None
    assert common_type(pa.list_(TEXT), pa.list_(pa.int64())) is None


def test_objects_get_the_keys_of_the_other_side_wherever_they_are():
    """Their values stay where they belong, also in slices and beside missing lists."""
    turned = pa.struct([("name", TEXT), ("gid", TEXT)])
    values = [[], [{"name": "B", "gid": "1"}], None, [None, {"name": None, "gid": "2"}]]
    wide = pa.list_(pa.struct([("gid", TEXT), ("email", TEXT), ("name", TEXT)]))
    found = conform(pa.array(values, pa.list_(turned)).slice(1), wide)
    assert found.type == wide
    assert found.to_pylist() == [
        [{"gid": "1", "email": None, "name": "B"}],
        None,
        [None, {"gid": "2", "email": None, "name": None}],
    ]


def test_json_of_objects_says_all():
    """JSON keeps everything, so that `moved` can parse it."""
    text = texts(pa.array([[person("1", "Zoë")]], PEOPLE))[0].as_py()
    assert orjson.loads(text) == [person("1", "Zoë")]
