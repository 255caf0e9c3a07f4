"""Docstrings of public objects: complete, and their examples run on the sandbox."""

from __future__ import annotations

import doctest
import functools
import importlib.util
import inspect
import re
from pathlib import Path

import pandas as pd
import pytest

import asana_jobs_pd as aj
from asana_jobs_pd.sandbox import Clock, Fault, Sandbox

MODULES = ("errors", "ledger", "sandbox", "testing", "typing")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
REQUIRED = ("PR", "RT", "GL", "EX01", "SA01")
GUIDE = sorted((Path(__file__).parents[1] / "docs" / "guide").glob("*.md"))
HEAVY = ("AsanaDaskExport", "export_graph", "sandbox.Sandbox.next_week")
INTERNAL = {
    f"Client.{name}"
    for name in ["ask_job", "outage_since", "post_job", "reopen", "server_time", "signed_transport"]
}
"""What the rooms above use of a client; no page of the reference shows it."""


def public_objects():
    """Yield every public function, class, method, property and module, by its dotted name."""
    names = [name for name in aj.__all__ if name not in MODULES]
    modules = [name for name in MODULES if name != "typing"]  # which has aliases: see below
    names += [f"{module}.{name}" for module in modules for name in getattr(aj, module).__all__]
    for name in names:
        item = item_of(name)
        if inspect.isroutine(item) or inspect.isclass(item):
            yield name
        if inspect.isclass(item):
            members = {key for kind in item.__mro__ if ours(kind) for key in vars(kind)}
            yield from (f"{name}.{key}" for key in sorted(members) if documented(item, key))


def item_of(name):
    return functools.reduce(getattr, name.split("."), aj)


def ours(kind):
    return kind.__module__.startswith("asana_jobs_pd")


def documented(item, key):
    """Whether a member is a method or a property of ours; traits and values are not."""
    getattr(item, key)  # a verb of the accessor becomes a method when it is looked up
    member = inspect.getattr_static(item, key)
    kinds = (property, classmethod, staticmethod)
    return not key.startswith("_") and (inspect.isroutine(member) or isinstance(member, kinds))


NAMES = [name for name in public_objects() if name not in INTERNAL]


@pytest.mark.skipif(importlib.util.find_spec("numpydoc") is None, reason="needs the group docs")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # ipywidgets, of attributes looked at
def test_docstrings_are_complete():
    """Parameters, results, examples and see-also are there; types stand in the signature (PR04)."""
    from numpydoc.validate import validate

    found = {
        name: [
            f"{code} {text}"
            for code, text in validate(f"asana_jobs_pd.{name}")["errors"]
            if code.startswith(REQUIRED) and code != "PR04"
        ]
        for name in NAMES
    }
    assert not {name: errors for name, errors in found.items() if errors}


def test_types_say_what_they_stand_for():
    """Aliases cannot have docstrings: a text below each of them is what the reference shows."""
    lines = inspect.getsource(aj.typing).splitlines()
    for name in aj.typing.__all__:
        start = next(
            n
            for n, line in enumerate(lines)
            if line.startswith((f"{name}:", f"{name} =", f"class {name}("))
        )
        assert any(line.strip().startswith('"""') for line in lines[start : start + 50])


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """What examples take for granted, as the reference says: jobs, files, data of a sandbox."""
    folder = tmp_path_factory.mktemp("examples")
    patch = pytest.MonkeyPatch()
    patch.setenv("ASANA_JOBS_LEDGER", str(folder / "ledger.sqlite3"))
    patch.setenv("ASANA_JOBS_PROGRESS", "0")
    patch.setenv("MPLBACKEND", "agg")
    patch.chdir(folder)
    with Sandbox(time_scale=1000, url_lifetime=1e7, export_rows=40) as asana:
        client = aj.connect(asana.token, base_url=asana.base_url)
        gids = asana.gids(8)
        asana.finish(*gids)
        running = asana.gids(3, start=700)
        for gid in running:
            asana.progress(gid)
        jobs = aj.read_asana_jobs(gids)
        files = jobs.asana.exports.asana.download("exports/")
        data = aj.read_asana_export(files["file.path"].iloc[1])
        with aj.JobsMonitor(gids) as monitor:
            monitor.wait()
        yield {
            "aj": aj,
            "pd": pd,
            "asana": asana,
            "client": client,
            "gids": gids,
            "jobs": jobs,
            "files": files,
            "data": data,
            "monitor": monitor,
            "Sandbox": Sandbox,
            "Clock": Clock,
            "Fault": Fault,
            "project": asana.parents(1)[0],
            "running": running,
            "diff": aj.compare_asana_exports(data, data),
        }
        client.close()
    patch.undo()


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * name.startswith(HEAVY)) for name in NAMES],
)
def test_examples_run(name, names):
    """The example of each docstring gives what it says."""
    if name.startswith("AsanaDaskExport"):
        pytest.importorskip("dask.dataframe")
        names = {**names, "lazy": aj.read_asana_export(names["files"], engine="dask")}
    aj.connect(names["asana"].token, base_url=names["asana"].base_url)
    examples = doctest.DocTestFinder(recurse=False).find(item_of(name), name, globs=dict(names))
    runner, said = doctest.DocTestRunner(optionflags=FLAGS, verbose=False), []
    for example in examples:
        runner.run(example, out=said.append)
    assert not runner.failures, "".join(said)


@pytest.mark.slow
@pytest.mark.parametrize("page", GUIDE, ids=lambda page: page.stem)
@pytest.mark.filterwarnings("ignore::asana_jobs_pd.AsanaStartWarning")
def test_the_guide_runs(page, names, tmp_path, monkeypatch):
    """The Python of a page runs from top to bottom, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name, value in names["asana"].environ.items():
        monkeypatch.setenv(name, value)
    aj.connect()
    given = dict(names)
    for code in re.findall(
        r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    ):
        exec(compile(code, str(page), "exec"), given)
