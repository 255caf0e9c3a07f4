"""What the logger `asana_jobs_pd` records: enough to follow a scheduled run."""

import logging

import pytest
from driven import until

import asana_jobs_pd as aj
from asana_jobs_pd.sandbox import Sandbox
from asana_jobs_pd.testing import MockTransport, Response

TOKEN = "2/1/2:logged"


@pytest.fixture
def asana():
    with Sandbox(token=TOKEN, time_scale=50) as sandbox:
        yield sandbox


@pytest.fixture
def lines(caplog):
    """Return the lines of our logger, and no others."""
    caplog.set_level(logging.DEBUG)

    def found():
        ours = [record for record in caplog.records if record.name == "asana_jobs_pd"]
        return [f"{record.levelname} {record.getMessage()}" for record in ours]

    return found


def test_a_run_can_be_followed(asana, lines, tmp_path, caplog):
    """A lost response, an outage and its end, and a download."""
    with aj.Client(TOKEN, base_url=asana.base_url) as client:
        good, lost = asana.parents(2)
        asana.fault("reset", gid=lost, method="POST")
        with pytest.warns(aj.AsanaStartWarning, match="without harm"):
            jobs = aj.export_graph([good, lost], client=client)
        gid = jobs["gid"][0]
        asana.progress(gid)
        with aj.JobsMonitor([gid], client=client) as monitor:
            until(lambda: any(line.startswith("INFO Watching: 0 of 1") for line in lines()))
            until(lambda: "unknown" not in monitor.counts)
            asana.finish(gid)
            asana.fault("reset", gid=gid)
            monitor.refresh_now()
            until(lambda: any(line.startswith("WARNING No network: 0 of 1") for line in lines()))
            monitor.refresh_now()
            until(lambda: "INFO Done: 1 of 1 jobs are finished (1 succeeded)" in lines())
        files = jobs.asana.refresh(client=client).asana.download(tmp_path, client=client)
        files.asana.download(tmp_path, client=client)  # it is there already
    text = "\n".join(lines())
    for line in (
        f"INFO Parent {good}: job {gid} was started",
        f"WARNING Parent {lost}: ",
        "INFO Watching: 0 of 1 jobs are finished (",
        f"INFO {gid}-graph: download started",
        f"INFO {gid}-graph: {files['file.bytes'][0]} bytes in {tmp_path}",
    ):
        assert line in text
    assert text.count("download started") == 1
    assert "source.state is unknown" in files["file.error"][1]
    for secret in (TOKEN, "Signature", str(files["new_graph_export.download_url"][0])):
        assert secret not in caplog.text


def test_retries_and_rate_limits_say_why(lines):
    """A 429 is one line, however many requests it holds up."""
    wait = {"Retry-After": "0.1"}
    answers = iter([Response(503, wait), Response(429, wait)])
    job = Response.from_json({"data": {"gid": "12", "status": "succeeded"}})
    with aj.Client(transport=MockTransport(lambda _: next(answers, job))) as client:
        aj.read_asana_jobs("12", ["status"], client=client)
    assert lines() == [
        "INFO Try 1 failed (503), trying again in 0.1 s",
        "INFO Rate limited (429): no request for 0.1 s",
    ]


def test_a_failed_download_is_a_warning(asana, lines, tmp_path):
    with aj.Client(TOKEN, base_url=asana.base_url, max_retries=0) as client:
        (gid,) = asana.gids(1, "graph_export_request")
        asana.finish(gid)
        asana.publish(gid, b"<html>")
        aj.download_asana_exports(gid, tmp_path, client=client)
    assert f"WARNING {gid}-graph: download failed: " in "\n".join(lines())


def test_nobody_else_is_made_to_log():
    """The logger has neither a handler that writes nor a level of its own."""
    logger = logging.getLogger("asana_jobs_pd")
    assert {type(handler) for handler in logger.handlers} == {logging.NullHandler}
    assert logger.level == logging.NOTSET
    assert logger.propagate
