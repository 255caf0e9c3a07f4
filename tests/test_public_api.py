"""What the package exports, and what importing it costs."""

from __future__ import annotations

import ast
import inspect
import pickle
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import asana_jobs_pd as aj
from asana_jobs_pd import errors


def test_all_is_true():
    """Every public name is there, sorted, and listed by dir()."""
    assert sorted(aj.__all__) == aj.__all__
    for name in aj.__all__:
        assert getattr(aj, name) is not None
        assert name in dir(aj)
    assert aj.__version__


def test_type_checkers_see_the_same_names():
    """The imports that they read name what is loaded on first use, and its module."""
    source = ast.parse(Path(aj.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(source) if isinstance(node, ast.ImportFrom)]
    seen = {each.asname: f"{node.module}" for node in imports for each in node.names if each.asname}
    del seen["_accessor"]  # registers df.asana
    loaded = {name: f"asana_jobs_pd.{module}" for name, module in aj._MODULES.items()}
    assert seen == loaded | dict.fromkeys(aj._SUBMODULES, "asana_jobs_pd")


def test_public_objects_say_where_they_are_imported_from():
    """Help and tracebacks name the package, not the room; dir() lists nothing else."""
    for name in aj.__all__:
        item = getattr(aj, name)
        if not inspect.ismodule(item):
            assert item.__module__ == "asana_jobs_pd", name
    assert set(dir(aj)) == {*aj.__all__, "__version__"}


def test_an_unknown_name_is_an_attribute_error():
    """As in any module."""
    with pytest.raises(AttributeError, match="nope"):
        _ = aj.nope


def test_every_error_has_one_base():
    """All errors under AsanaJobsError, the interrupt under KeyboardInterrupt."""
    for name in errors.__all__:
        kind = getattr(errors, name)
        if name.endswith("Error"):
            assert issubclass(kind, errors.AsanaJobsError)
        assert name in errors.__doc__
    assert issubclass(errors.ReadInterrupted, KeyboardInterrupt)
    assert not issubclass(errors.ReadInterrupted, Exception)
    assert issubclass(errors.AsanaChangeWarning, FutureWarning)


@pytest.mark.parametrize("name", [name for name in errors.__all__ if "Warning" not in name])
def test_errors_survive_pickling(name):
    """They come back from another process with what they carry."""
    error = getattr(errors, name)("words")
    error.frame = pd.DataFrame({"gid": ["1"]})
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == "words"
    assert copy.frame.equals(error.frame)


def test_a_request_error_keeps_what_asana_said():
    """Status, reason, help and phrase come through a pickle."""
    error = errors.StatusError("m", gid="1", status=500, reason="r", help="h", phrase="p")
    copy = pickle.loads(pickle.dumps(error))
    assert vars(copy) == vars(error)


def test_importing_it_loads_nothing_heavy():
    """No requests, no ipywidgets, no tqdm, no sandbox: only what pandas brings."""
    code = (
        "import pandas, sys; before = set(sys.modules); import asana_jobs_pd;"
        "print(*(set(sys.modules) - before))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in run.stdout.split()}
    assert not loaded & {
        "requests",
        "urllib3",
        "ipywidgets",
        "tqdm",
        "orjson",
        "asyncio",
        "IPython",
        "matplotlib",
        "xlsxwriter",
    }
    assert "asana_jobs_pd.sandbox" not in run.stdout.split()


def test_the_accessor_is_registered():
    """``df.asana`` is there after the import."""
    names = {"refresh", "wait", "wait_async", "changes", "summary", "results", "pending", "cached"}
    assert names <= set(dir(pd.DataFrame().asana))
