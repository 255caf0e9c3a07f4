"""Exports of generated worlds, loaded once."""

from __future__ import annotations

from itertools import chain

import pytest
from rows import write

import asana_jobs_pd as aj
from asana_jobs_pd.sandbox._world import World
from asana_jobs_pd.sandbox._world_rows import graph_rows, resource_rows


@pytest.fixture(scope="session")
def load(tmp_path_factory):
    """Load the rows of an export."""

    def loaded(rows, **options):
        path = write(tmp_path_factory.mktemp("export") / "export.jsonl.gz", rows)
        return aj.read_asana_export(path, progress=False, **options)

    return loaded


@pytest.fixture(scope="session")
def world():
    """A world in which some projects are hidden."""
    return World("answers", 200, hidden=0.2)


def everything(world):
    """Return all rows of a resource export."""
    return chain(*(resource_rows(world, kind) for kind in ("task", "team", "message")))


@pytest.fixture(scope="session")
def resource(world, load):
    """A resource export of the world."""
    return load(everything(world))


@pytest.fixture(scope="session")
def graph(world, load):
    """A graph export of the whole world."""
    return load(graph_rows(world))


@pytest.fixture(scope="session")
def project(world, load):
    """A graph export of one project."""
    return load(graph_rows(world, world.projects[0]["gid"]))


@pytest.fixture(params=["resource", "graph", "project"])
def export(request):
    """Each of the three."""
    return request.getfixturevalue(request.param)
