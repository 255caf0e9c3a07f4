"""Announced API changes are passed on once, as a warning."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asana_jobs_pd._http.responses import MAX_CHANGES, Changes, describe_change

INFO = "https://forum.asana.com/t/1"


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (
            f"name=new_ids;info={INFO};affected=true",
            (
                "Asana announces a change to its API, 'new_ids'; it affects this request; "
                f"read {INFO}."
            ),
        ),
        (
            f" name = new_ids ; info={INFO} ;affected=false",
            (
                "Asana announces a change to its API, 'new_ids'; it does not affect this request; "
                f"read {INFO}."
            ),
        ),
        ("name=a;affected=perhaps", "Asana announces a change to its API, 'a'."),
        ("something else", "Asana announces a change to its API, 'something else'."),
        ("", "Asana announces a change to its API, ''."),
    ],
)
def test_a_header_in_words(header, words):
    """Name, effect and link; other forms are quoted."""
    assert describe_change(header) == words


@given(st.text())
def test_any_header_is_one_line(header):
    """Nothing in it ends the line or floods the screen."""
    words = describe_change(header)
    assert len(words.splitlines()) == 1
    assert len(words) < 800


def test_each_change_is_reported_once():
    """It may come with every response, several in one header, and in several, joined."""
    changes = Changes()
    changes.note("name=a;affected=true,name=b, name=c;info=https://x/?,1")
    assert [text.split("'")[1] for text in changes.take()] == ["a", "b", "c"]
    changes.note("name=b,name=a;affected=true, name=d")
    assert [text.split("'")[1] for text in changes.take()] == ["d"]
    assert changes.take() == []


def test_a_server_that_announces_without_end():
    """At most a hundred are kept."""
    changes = Changes()
    changes.note(",".join(f"name={number}" for number in range(2 * MAX_CHANGES)))
    assert len(changes.take()) == MAX_CHANGES
