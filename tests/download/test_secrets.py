"""Signed URLs and tokens are never shown, whatever goes wrong."""

from __future__ import annotations

import logging
import pickle
import traceback
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import TOKEN
from export_fixtures import names

import asana_jobs_pd as aj
from asana_jobs_pd._download import url_source
from asana_jobs_pd._download.download import DownloadSession

URL_COLUMN = "new_resource_export.download_url"
FAULTS = [
    {"kind": "reset"},
    {"kind": "truncate"},
    {"kind": "status", "status": 403},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 418},
    {"kind": "html"},
    {"kind": "garbage"},
    {"kind": "redirect", "location": "http://s3.example/f?X-Amz-Signature=" + "5ec2e7" * 10},
]


def shown(error):
    """Return what a traceback printer with locals would show of the package's own frames."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    kept = [frame for frame in told.stack if "asana_jobs_pd" in frame.filename]
    return "".join(traceback.StackSummary.from_list(kept).format())


def signature(url):
    return parse_qs(urlsplit(url).query)["X-Amz-Signature"][0]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(list(fault.values())[:2]))
def test_no_error_shows_a_signature(asana, client, gid, jobs, tmp_path, caplog, fault, monkeypatch):
    """Neither words nor attributes, pickles, locals, logs, frames or files."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(url_source, "NEW_FILE", 0.0)  # a 403 is waited out for ten minutes
    asana.fault(**fault, where="exports", times=99)
    secrets = [signature(jobs[URL_COLUMN].iloc[0]), "5ec2e7", TOKEN]
    with pytest.raises(aj.PartialDownloadError) as caught:
        jobs.asana.download(tmp_path, errors="raise", client=client)
    error = caught.value
    texts = [shown(error), error.frame.drop(columns=URL_COLUMN).to_csv(), *names(tmp_path)]
    error.frame = None
    for one in (error, *error.errors.values()):
        assert one.__cause__ is None
        assert one.__context__ is None
        texts += [str(one), repr(one), repr(vars(one)), repr(pickle.dumps(one))]
    texts += [path.read_bytes().decode("latin-1") for path in tmp_path.iterdir()]
    for secret in secrets:
        assert secret not in caplog.text
        for text in texts:
            assert secret not in text


def test_no_object_shows_a_url(asana, client, gid, tmp_path):
    """Neither the session nor any object it is made of."""
    jobs = aj.read_asana_jobs(gid, client=client)
    url = jobs["new_resource_export.download_url"].iloc[0]
    downloads = DownloadSession(jobs, client, shown=False)
    downloads.run(tmp_path)
    assert downloads.wanted
    parts = [downloads, *vars(downloads).values(), *downloads.wanted, client.signed_transport()]
    for part in parts:
        assert signature(url) not in repr(part)
        assert TOKEN not in repr(part)


def test_a_good_download_is_silent(asana, client, gid, jobs, tmp_path, caplog):
    """urllib3's own log of a request has no query."""
    caplog.set_level(logging.DEBUG)
    jobs.asana.download(tmp_path, client=client)
    assert "/exports/" in caplog.text
    assert "X-Amz" not in caplog.text
    assert asana.stats.authorization_on_exports == 0
