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


def test_the_typed_accessor_is_the_registered_one():
    """`accessor` returns what ``df.asana`` is, and works on the same frame."""
    jobs = pd.DataFrame({"gid": ["1"], "status": ["succeeded"], "fetched_at": pd.Timestamp(0)})
    assert type(aj.accessor(jobs)) is type(jobs.asana) is aj.AsanaAccessor
    assert aj.accessor(jobs).pending.empty
