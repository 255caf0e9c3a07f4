"""Where processes can be started, and how many."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest
from export_fixtures import as_lines, task

import asana_jobs_pd as aj
from asana_jobs_pd._export import request, workers
from asana_jobs_pd.errors import InvalidFrameError, InvalidOptionError

ROWS = [task(str(number)) for number in range(20)]


@pytest.mark.parametrize(
    ("name", "is_python"),
    [
        ("python", True),
        ("python3.13t", True),
        ("python3.11-dbg", True),
        ("pythonw.exe", True),
        ("Python", True),
        ("pypy3.11", True),
        ("uwsgi", False),
        ("qgis", False),
        ("pythonservice.exe", False),
        ("myapp", False),
    ],
)
def test_only_a_python_is_started(tmp_path, monkeypatch, name, is_python):
    """An application that embeds Python, or is frozen, is not started again."""
    path = tmp_path / name
    path.touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(path))
    assert workers._interpreter() == (str(path) if is_python else None)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert workers._interpreter() is None


@pytest.mark.parametrize("executable", ["", None, b"python3", "/nonexistent/python"])
def test_without_an_interpreter_one_process_reads(export, monkeypatch, executable):
    """Whatever `workers` says."""
    monkeypatch.setattr(sys, "executable", executable)
    data = aj.read_asana_export(export(*ROWS), workers=3)
    assert len(data["task"]) == 20


def test_when_the_system_starts_no_process_one_reads(export, monkeypatch):
    """As where the number of processes is limited."""

    def refused(*_args, **_options):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refused)
    assert len(aj.read_asana_export(export(*ROWS), workers=2)["task"]) == 20


@pytest.mark.skipif(sys.platform != "linux", reason="control groups")
@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu.max": "odd\n"}, None),
        ({}, None),
    ],
    ids=["v2", "v2 less than one", "v2 no limit", "v1", "v1 no limit", "odd", "none"],
)
def test_a_cpu_quota_counts_as_processors(tmp_path, monkeypatch, files, quota):
    """Of control groups of both versions."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: set(range(8)))
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert workers.processors(tmp_path) == (quota or 8)


def test_small_files_are_read_by_one_process(monkeypatch):
    """Large ones by one for each processor, four at most."""
    monkeypatch.setattr(request, "processors", lambda: 8)
    assert [request._worker_count(mib << 20) for mib in (0, 5, 6, 9, 500)] == [1, 1, 2, 3, 4]


class Frame:
    """Iterable and convertible, like frames of other libraries."""

    __module__ = "polars.dataframe"

    def to_pandas(self):
        """Return it as pandas has it."""

    def __iter__(self):
        return iter([1])


@pytest.mark.parametrize(
    ("paths", "error", "message"),
    [
        (
            Frame(),
            InvalidOptionError,
            "a polars Frame is not a pandas DataFrame; pass its to_pandas",
        ),
        (pd.DataFrame({"gid": ["1"]}), InvalidFrameError, "download the exports first"),
        (bytearray(b"x"), InvalidOptionError, "give a path"),
        ([None], InvalidOptionError, "None is not a path"),
        ("a\0b", aj.errors.ExportFileError, "cannot be read"),
    ],
)
def test_invalid_paths_are_refused(paths, error, message):
    """The error says what to pass instead."""
    with pytest.raises(error, match=message):
        aj.read_asana_export(paths)


def test_a_plain_file_loads(tmp_path):
    """As downloads that arrive decompressed are stored."""
    path = tmp_path / "1-graph.jsonl"
    path.write_bytes(as_lines(ROWS))
    assert len(aj.read_asana_export(path)["task"]) == 20
