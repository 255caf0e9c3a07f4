"""The accessor is its functions: the same signatures, the same docstrings, written once."""

from __future__ import annotations

import inspect

import pandas as pd
import pytest

import asana_jobs_pd as aj

FUNCTIONS = {
    "refresh": aj.refresh_asana_jobs,
    "wait": aj.wait_asana_jobs,
    "wait_async": aj.wait_asana_jobs_async,
    "eta": aj.estimate_asana_jobs,
    "download": aj.download_asana_exports,
    "load": aj.read_asana_export,
    "to_parquet": aj.asana_export_to_parquet,
    "report": aj.asana_jobs_report,
    "to_excel": aj.asana_jobs_to_excel,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signatures_are_those_of_the_functions(name):
    """All options but the frame itself, with defaults and annotations."""
    frame, *options = inspect.signature(FUNCTIONS[name]).parameters.values()
    bound = inspect.signature(getattr(pd.DataFrame({"gid": ["1"]}).asana, name))
    assert list(bound.parameters.values()) == options
    own, *unbound = inspect.signature(getattr(aj.AsanaAccessor, name)).parameters.values()
    assert own.name == "self"
    assert unbound == options
    assert frame.name not in bound.parameters


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstrings_are_those_of_the_functions(name):
    """Whole, but for the entry of the frame; help() shows the method's own name."""
    method = getattr(aj.AsanaAccessor, name)
    whole, own = inspect.getdoc(FUNCTIONS[name]), inspect.getdoc(method)
    frame = next(iter(inspect.signature(FUNCTIONS[name]).parameters))
    missing = [line for line in whole.splitlines() if line not in own.splitlines()]
    assert missing[:1] in ([], [frame])
    assert set(own.splitlines()) <= set(whole.splitlines())
    assert f"\n{frame}\n" not in own
    assert method.__qualname__ == f"AsanaAccessor.{name}"


def test_it_is_shown_as_what_people_read(monkeypatch):
    """A frame of 30 columns is cut in its middle; the accessor has the command line's table."""
    jobs = pd.DataFrame(
        {
            "gid": ["12080000000004806", "2"],
            "resource_subtype": ["graph_export_request", "duplicate_task"],
            "status": ["succeeded", "failed"],
            "new_task.name": [pd.NA, "<b>"],
            "new_graph_export.download_url": ["https://x.example/a?Signature=secret", pd.NA],
            "file.path": ["/tmp/12080000000004806-graph.jsonl.gz", pd.NA],
            "file.error": [pd.NA, "there is no file"],
            "fetched_at": pd.Timestamp("2026-01-01", tz="UTC"),
        }
    )
    monkeypatch.setenv("COLUMNS", "150")
    lines = repr(jobs.asana).splitlines()
    assert lines[0].split() == ["gid", "kind", "status", "created", "file", "error"]
    assert lines[1].split() == [
        *("12080000000004806", "graph", "export", "succeeded", "–"),
        *("12080000000004806-graph.jsonl.gz", "–"),
    ]
    assert lines[-1] == "[2 rows]"
    page = jobs.asana._repr_html_()
    assert "<td>task &lt;b&gt;</td>" in page
    assert "<NA>" not in page
    assert "secret" not in page + repr(jobs.asana)
    many = pd.concat([jobs] * 20)
    assert repr(many.asana).endswith("[40 rows, the first 25 shown]")
    assert repr(jobs.head(0).asana) == "[0 rows]"


def test_a_frame_that_is_not_one_of_jobs_is_shown_too():
    """Looking at it is no error."""
    other = pd.DataFrame({"a": [1]})
    assert repr(other.asana) == "<AsanaAccessor: 1 rows>"
    assert other.asana._repr_html_() is None


def test_the_typed_accessor_is_the_registered_one():
    """`accessor` returns what ``df.asana`` is, and works on the same frame."""
    jobs = pd.DataFrame({"gid": ["1"], "status": ["succeeded"], "fetched_at": pd.Timestamp(0)})
    assert type(aj.accessor(jobs)) is type(jobs.asana) is aj.AsanaAccessor
    assert aj.accessor(jobs).pending.empty
