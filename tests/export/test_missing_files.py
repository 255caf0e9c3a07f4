"""Frames of downloads in which an export has no file: a warning, and never a smaller dataset."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from export_fixtures import task

import asana_jobs_pd as aj
from asana_jobs_pd.errors import AsanaValueWarning, ExportWriteError


@pytest.fixture
def files(export):
    """Return the frame of a download of two exports and a duplication; one export failed."""
    return pd.DataFrame(
        {
            "gid": ["11", "12", "13"],
            "resource_subtype": ["graph_export_request", "export_request", "duplicate_task"],
            "file.path": [str(export(task("1"))), None, None],
            "file.error": [None, "the file is gone", "the job is not an export"],
        }
    )


def test_loading_says_which_export_has_no_file(files):
    """A warning names the export and the reason; a job that is not an export is not missing."""
    with pytest.warns(AsanaValueWarning, match=r"1 row is .* 12: the file is gone"):
        data = files.asana.load(progress=False)
    assert len(data["task"]) == 1


def test_an_export_that_does_not_say_so_counts(files):
    """A frame without `resource_subtype` and `source.action`, when it says why there is no file."""
    unnamed = files.drop(columns="resource_subtype")
    with pytest.warns(AsanaValueWarning, match=r"2 rows are .* 12: the file is gone"):
        aj.read_asana_export(unnamed, progress=False)
    aj.read_asana_export(unnamed.drop(columns="file.error"), progress=False)


@pytest.mark.parametrize("names", [["gid"], ["resource_subtype", "gid"]])
def test_names_in_the_index_count(files, names):
    """As after `set_index`, with whatever dtype a file format left."""
    travelled = files.astype({"file.error": "category"}).set_index(names)
    with pytest.warns(AsanaValueWarning, match=r"1 row is .* 12: the file is gone"):
        aj.read_asana_export(travelled, progress=False)


def test_a_complete_frame_is_silent(files):
    """Rows of other jobs, and rows that were dropped, cause no warning."""
    assert len(files.drop(1).asana.load(progress=False)["task"]) == 1


def test_a_parent_whose_export_was_refused_counts(export):
    """It has no job, but its data is missing."""
    started = pd.DataFrame(
        {
            "gid": ["11", None],
            "source.gid": ["21", "22"],
            "source.action": "export_graph",
            "source.state": ["started", "refused"],
            "error.message": [None, "Forbidden"],
            "file.path": [str(export(task("1"))), None],
        }
    )
    with pytest.warns(AsanaValueWarning, match="22: Forbidden"):
        aj.read_asana_export(started, progress=False)


def test_a_dataset_is_not_replaced_by_one_that_lacks_an_export(files, export, tmp_path):
    """A new dataset says that it is incomplete, in the result and the manifest."""
    dest = tmp_path / "lake"
    aj.asana_export_to_parquet(export(task("1"), task("2")), dest, progress=False)
    with (
        pytest.warns(AsanaValueWarning),
        pytest.raises(
            ExportWriteError, match=r"not replaced: an export has no file \(12: the file"
        ),
    ):
        files.asana.to_parquet(dest, overwrite=True, progress=False)
    assert len(pd.read_parquet(dest / "task")) == 2
    with pytest.warns(AsanaValueWarning):
        report = files.asana.to_parquet(tmp_path / "new", progress=False)
    assert not report["complete"].any()
    manifest = json.loads(Path(tmp_path / "new" / "_manifest.json").read_text())
    assert manifest["missing_sources"] == ["12: the file is gone"]
