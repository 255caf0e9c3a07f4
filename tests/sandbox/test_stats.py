"""The counters tell what a client did."""

from .conftest import Asker, fetch


def test_requests_are_counted_by_status(asana, ask):
    """All requests to the API, and nothing else."""
    gid = asana.gids(1)[0]
    for which in (gid, gid, "123", "abc"):
        ask.job(which)
    fetch(f"{asana.base_url}/jobs/1")
    fetch(asana.export_url("5", "graph_export"))
    stats = asana.stats
    assert stats.requests == 5
    assert stats.by_status == {200: 2, 400: 1, 401: 1, 404: 1}
    assert stats.connections == 6


def test_a_snapshot_stands_still(asana, ask):
    """What was read does not change afterwards."""
    before = asana.stats
    ask.job("123")
    assert (before.requests, before.by_status) == (0, {})
    assert asana.stats.requests == 1


def test_requests_are_kept_as_they_came(asana, ask):
    """With the fields asked for, the time and the status."""
    gid = asana.gids(1)[0]
    asana.advance(1.5)
    ask.job(gid, ["new_task.name", "status"], opt_pretty="true")
    ask.job("123")
    first, second = asana.requests
    assert (first.method, first.path) == ("GET", f"/api/1.0/jobs/{gid}")
    assert (first.opt_fields, first.opt_pretty) == (("new_task.name", "status"), "true")
    assert (first.at, first.status) == (1.5, 200)
    assert (second.opt_fields, second.opt_pretty, second.status) == ((), None, 404)


def test_downloads_are_kept_with_their_range(asana):
    """So that a test can see how a download was resumed; the signature is not kept."""
    url = asana.export_url("5", "graph_export")
    fetch(url, headers={"Range": "bytes=5-"})
    (seen,) = asana.requests
    assert (seen.path, seen.range, seen.status) == (
        "/exports/graph_export_5.jsonl.gz",
        "bytes=5-",
        206,
    )
    assert "Signature" not in repr(asana.requests)


def test_tokens_are_never_kept(sandbox):
    """Neither the right one nor a wrong one."""
    ask = Asker(sandbox(token="hush-1234"))
    ask.job("123")
    fetch(f"{ask.asana.base_url}/jobs/1", headers={"Authorization": "Bearer other-5678"})
    shown = repr((ask.asana, ask.asana.requests, ask.asana.stats))
    assert "hush" not in shown
    assert "other-5678" not in shown


def test_the_counters_can_be_set_to_zero(sandbox):
    """For a new measurement; the limits remember what they have counted."""
    ask = Asker(sandbox(requests_per_minute=1))
    ask.job("123")
    ask.asana.reset_stats()
    assert (ask.asana.stats.requests, ask.asana.requests) == (0, [])
    assert ask.job("123").status == 429


def test_another_process_can_ask_for_the_counters(asana, ask):
    """`/sandbox/stats` and `/sandbox/reset` need no token and do not count themselves."""
    ask.job("123")
    home = asana.base_url.removesuffix("/api/1.0")
    stats = fetch(f"{home}/sandbox/stats").json
    assert (stats["requests"], stats["by_status"], stats["throttled"]) == (1, {"404": 1}, 0)
    assert fetch(f"{home}/sandbox/reset", method="POST").status == 200
    assert fetch(f"{home}/sandbox/stats").json["requests"] == 0
    assert fetch(f"{home}/sandbox/reset").status == 404
