"""Options of a wrong type: an error that names value and remedy, before anything is sent."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

import asana_jobs_pd as aj
from asana_jobs_pd.errors import InvalidFieldError, InvalidFrameError
from asana_jobs_pd.errors import InvalidGidError as InvalidGid
from asana_jobs_pd.errors import InvalidOptionError as InvalidOption

FRAME = pd.DataFrame({"gid": ["12"]})
RECORDS = [{"gid": "12"}]
CALLS = {
    "read": lambda **options: aj.read_asana_jobs(["12"], **options),
    "refresh": lambda **options: aj.refresh_asana_jobs(FRAME, **options),
    "wait": lambda **options: aj.wait_asana_jobs(["12"], **options),
    "export": lambda **options: aj.export_graph(["12"], **options),
    "save": lambda **options: aj.save_project_as_template(["12"], name="x", **options),
    "resource": aj.ResourceExport.tasks,
    "from records": lambda **options: aj.asana_jobs_from_records(RECORDS, **options),
    "records": aj.asana_jobs_from_records,
    "gids": aj.read_asana_jobs,
    "frame": aj.refresh_asana_jobs,
    "recent": aj.recent_jobs,
    "forget": aj.ledger.forget,
    "file": aj.read_jobs_file,
}
NOT_CLIENTS = [5, "token", object(), aj.Client]
NOT_ERRORS = [None, 5, "ignore", ["raise"], np.array(["raise", "coerce"])]
NOT_FLAGS = [None, 1, "no", [], np.array([True, False])]
NOT_PROGRESS = [1, "yes", []]
NOT_SECONDS = [-1, "5", True, float("nan"), float("inf"), [1]]
TABLE = [
    *[(call, "client", InvalidOption, NOT_CLIENTS) for call in ("read", "refresh", "wait")],
    *[(call, "client", InvalidOption, NOT_CLIENTS) for call in ("export", "recent")],
    *[(call, "errors", InvalidOption, NOT_ERRORS) for call in ("read", "refresh", "wait")],
    ("export", "errors", InvalidOption, [*NOT_ERRORS, "drop"]),
    *[(call, "progress", InvalidOption, NOT_PROGRESS) for call in ("read", "refresh", "export")],
    *[(call, "strict", InvalidOption, NOT_FLAGS) for call in ("read", "from records", "resource")],
    *[(call, "timeout", InvalidOption, NOT_SECONDS) for call in ("wait", "export")],
    ("refresh", "finished", InvalidOption, NOT_FLAGS),
    ("export", "dry_run", InvalidOption, NOT_FLAGS),
    ("export", "stop", InvalidOption, [True, 5]),
    ("save", "public", InvalidOption, [1, "no", []]),
    (
        "read",
        "fields",
        InvalidFieldError,
        [5, b"status", [5], [None], [["status"]], "a b", [""], []],
    ),
    ("read", "fields", InvalidFieldError, [[np.array(["status", "gid"])], True]),
    ("gids", "gids", InvalidGid, [None, 5.0, True, b"12", {"12": 1, None: 2}, [["12"]], object()]),
    ("frame", "jobs", InvalidFrameError, [None, "12", ["12"], 5, FRAME["gid"], b"12"]),
    ("records", "records", InvalidOption, [None, 5, "12", {"gid": "12"}, FRAME]),
    ("records", "records", InvalidGid, [["12"], [None], [{}], [{"data": {"gid": "12"}}]]),
    ("recent", "days", InvalidOption, [-1, "7", True, [7], 1e9]),
    ("recent", "status", InvalidOption, [5, [], [5], True]),
    ("forget", "gids", InvalidGid, [5.0, True, [None], b"12"]),
    ("forget", "before", InvalidOption, [5, 1.7e9, True, "someday", pd.NaT, [], "NaT", ""]),
    ("file", "path", InvalidOption, [None, 5, b"jobs.csv", "", ["jobs.csv"]]),
]


@pytest.mark.parametrize(("call", "option", "error", "values"), TABLE)
def test_a_wrong_type_is_an_error_of_ours(call, option, error, values, monkeypatch, tmp_path):
    """It names the option or the value; there is no token here to send anything with."""
    monkeypatch.setenv("ASANA_JOBS_LEDGER", str(tmp_path / "ledger.sqlite3"))
    for value in values:
        with pytest.raises(error) as caught:
            CALLS[call](**{option: value})
        shown = (option.rstrip("s"), repr(value)[:50], type(value).__name__)
        assert any(text in str(caught.value) for text in shown), value


def test_numbers_of_numpy_are_numbers(monkeypatch, tmp_path):
    """A timeout, or a number of days, may come from a frame."""
    monkeypatch.setenv("ASANA_JOBS_LEDGER", str(tmp_path / "ledger.sqlite3"))
    assert len(aj.recent_jobs(np.int64(7))) == len(aj.recent_jobs(np.float32(7))) == 0
    assert len(aj.export_graph("12", dry_run=True, timeout=np.int64(5))) == 1
    assert aj.ledger.forget(before=dt.date(2026, 1, 1)) == 0
    assert aj.ledger.forget(before=np.datetime64("2026-01-01")) == 0
