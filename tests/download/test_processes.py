"""Processes that are killed, meet each other, or are interrupted."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from contextlib import suppress

import pandas as pd
import pytest
from child_process import run_child, start_child
from conftest import TOKEN
from export_fixtures import check, names, only, ranges

import asana_jobs_pd as aj
from asana_jobs_pd._download import partial_file
from asana_jobs_pd._download.download import DownloadSession

pytestmark = pytest.mark.slow
posix = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

SCRIPT = """
import sys
import asana_jobs_pd as aj
base_url, token, gid, dest = sys.argv[1:]
client = aj.connect(token, base_url=base_url)
row = aj.download_asana_exports(gid, dest).iloc[0]
print(row["file.sha256"], row["file.bytes"], row["file.error"])
"""


def process(asana, gid, dest):
    return start_child(SCRIPT, asana.base_url, TOKEN, gid, dest, folder=dest.parent)


def until(condition, seconds=120.0):
    """Wait for something that another process or thread does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def session(client, gid, folder, show=bool):
    """Start a download as a widget does; return it and its thread."""
    jobs = aj.read_asana_jobs(gid, client=client)
    made = DownloadSession(jobs, client, shown=False, show=show)
    call = threading.Thread(target=made.run, args=(folder,), daemon=True)
    call.start()
    return made, call


@posix
@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
def test_a_killed_process_costs_no_byte(asana, client, jobs, gid, content, tmp_path, how):
    """Its bytes are kept, its claim is taken over, and only the rest is fetched."""
    part = tmp_path / f"{gid}-resource.jsonl.gz.part"
    asana.fault("slow", where="exports", seconds=30.0)
    with process(asana, gid, tmp_path) as killed:
        until(lambda: part.exists() and part.stat().st_size > len(content) // 10)
        killed.send_signal(getattr(signal, how))
    kept = part.stat().st_size
    asana.reset_stats()
    check(only(jobs.asana.download(tmp_path, client=client)), content)
    assert ranges(asana) == [f"bytes={kept}-"]
    until(lambda: asana.stats.export_bytes)
    assert asana.stats.export_bytes == len(content) - kept
    assert names(tmp_path) == [f"{gid}-resource.jsonl.gz"]


def test_two_processes_fetch_it_once(asana, gid, content, tmp_path):
    """The second waits, and takes the file that the first made."""
    asana.fault("slow", where="exports", seconds=1.0)
    both = [process(asana, gid, tmp_path) for _ in range(2)]
    said = [one.communicate(timeout=300)[0].split() for one in both]
    assert said[0] == said[1]
    assert said[0][1:] == [str(len(content)), "<NA>"]
    assert asana.stats.downloads == 1
    assert asana.stats.export_bytes == len(content)


@posix
def test_the_second_goes_on_where_the_first_was_killed(asana, gid, content, tmp_path):
    """It stops waiting when the first process ends, in whatever way."""
    part = tmp_path / f"{gid}-resource.jsonl.gz.part"
    asana.fault("slow", where="exports", seconds=30.0)
    with process(asana, gid, tmp_path) as first:
        until(lambda: part.exists() and part.stat().st_size > 2000)
        with process(asana, gid, tmp_path) as second:
            until(lambda: asana.stats.requests >= 2)
            first.send_signal(signal.SIGKILL)
            assert second.communicate(timeout=300)[0].split()[1:] == [str(len(content)), "<NA>"]
    assert len(ranges(asana)) == 2
    assert ranges(asana)[1].startswith("bytes=")


@posix
@pytest.mark.parametrize("fault", ["slow", "delay"])
def test_an_interrupt_ends_at_once(asana, client, content, tmp_path, fault):
    """Promised within 0.3 s: the frame is there, and so are the parts."""
    gids = asana.gids(5, "export_request")
    asana.finish(*gids)
    jobs = aj.read_asana_jobs(gids, client=client)
    asana.fault(fault, where="exports", seconds=20.0, times=4)
    main, sent = threading.get_ident(), []

    def interrupt():
        until(lambda: asana.stats.downloads == 4)
        time.sleep(0.3)
        sent.append(time.monotonic())
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(aj.ReadInterrupted, match="0 of 5 files") as caught:
        jobs.asana.download(tmp_path, client=client)
    assert time.monotonic() - sent[0] < 1.5
    frame = caught.value.frame
    assert frame["file.error"].str.contains("download again to resume").all()
    if fault == "slow":
        parts = [name for name in names(tmp_path) if name.endswith(".part")]
        assert len(parts) == 4
        again = frame.asana.download(tmp_path, client=client)
        assert again["file.error"].isna().all()
        assert sum(asked is not None for asked in ranges(asana)) == 4


EXIT = """
import os, signal, sys, threading, time
import asana_jobs_pd as aj
base_url, token, gid, dest = sys.argv[1:]
client = aj.connect(token, base_url=base_url)
def interrupt():
    time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
try:
    aj.download_asana_exports(gid, dest)
except KeyboardInterrupt:
    print(time.time(), flush=True)
"""


@posix
def test_no_thread_is_waited_for(asana, gid, content, tmp_path):
    """The process exits although a request would take another minute."""
    asana.fault("delay", where="exports", seconds=60.0)
    printed = run_child(EXIT, asana.base_url, TOKEN, gid, tmp_path / "to", folder=tmp_path)
    assert time.time() - float(printed) < 30


def test_a_cancelled_download_ends_at_once(asana, client, gid, content, tmp_path):
    """As a widget does it from another thread; the part stays, and its claim is taken over."""
    asana.fault("slow", where="exports", seconds=30.0)
    seen = []
    downloads, runner = session(client, gid, tmp_path, seen.append)
    until(lambda: downloads.wanted and downloads.wanted[0].done > 1000)
    downloads.cancel()
    began = time.monotonic()
    runner.join(10)
    assert time.monotonic() - began < 2
    assert downloads.cancelled
    assert seen[0][0].total == len(content)
    again, runner = session(client, gid, tmp_path)
    runner.join(60)
    assert again.wanted[0].total == len(content)
    assert again.wanted[0].state == "done"
    assert ranges(asana)[1].startswith("bytes=")


def test_waiting_for_another_can_be_cancelled(asana, client, gid, content, tmp_path):
    """A second download of a file waits for the first, unless it is cancelled."""
    asana.fault("slow", where="exports", seconds=30.0)
    first, thread = session(client, gid, tmp_path)
    until(lambda: first.wanted and first.wanted[0].done > 1000)
    second, waiting = session(client, gid, tmp_path)
    until(lambda: second.wanted and second.wanted[0].note)
    assert second.wanted[0].state == "waiting"
    second.cancel()
    waiting.join(10)
    assert not waiting.is_alive()
    assert first.wanted[0].state == "running"
    first.cancel()
    thread.join(10)
    assert pd.isna(only(aj.download_asana_exports(gid, tmp_path, client=client))["file.error"])


MACHINE = """
import sys
import asana_jobs_pd as aj
import asana_jobs_pd._files as owners
from asana_jobs_pd._download import partial_file
base_url, token, gid, dest, machine, stale = sys.argv[1:]
owners.machine_id = lambda: machine
partial_file.STALE = float(stale)
client = aj.connect(token, base_url=base_url)
row = aj.download_asana_exports(gid, dest).iloc[0]
print(row["file.sha256"], row["file.bytes"], row["file.error"])
"""


def machine(asana, gid, dest, name, stale=partial_file.STALE):
    arguments = (asana.base_url, TOKEN, gid, dest, name * 8, stale)
    return start_child(MACHINE, *arguments, folder=dest.parent)


def test_two_machines_fetch_it_once(asana, gid, content, tmp_path):
    """The second waits while the first touches its claim; its pid says nothing."""
    part = tmp_path / f"{gid}-resource.jsonl.gz.part"
    asana.fault("slow", where="exports", seconds=4.0)
    with machine(asana, gid, tmp_path, "a") as first:
        until(lambda: part.exists() and part.stat().st_size > 1000)
        with machine(asana, gid, tmp_path, "b") as second:
            printed = [child.communicate(timeout=300)[0].split() for child in (first, second)]
    assert printed[0] == printed[1]
    assert printed[0][1:] == [str(len(content)), "<NA>"]
    assert asana.stats.downloads == 1
    assert names(tmp_path) == [f"{gid}-resource.jsonl.gz"]


@posix
def test_a_machine_that_comes_back_harms_nobody(asana, gid, content, tmp_path):
    """It was only slow, and a copy of its part was resumed meanwhile. Both end well."""
    part = tmp_path / f"{gid}-resource.jsonl.gz.part"
    asana.fault("slow", where="exports", seconds=6.0)
    with machine(asana, gid, tmp_path, "a") as first:
        until(lambda: part.exists() and part.stat().st_size > len(content) // 3)
        first.send_signal(signal.SIGSTOP)
        kept = part.stat().st_size
        with machine(asana, gid, tmp_path, "b", stale=1.0) as second:
            assert second.communicate(timeout=300)[0].split()[1:] == [str(len(content)), "<NA>"]
        assert (tmp_path / f"{gid}-resource.jsonl.gz").read_bytes() == content
        first.send_signal(signal.SIGCONT)
        assert first.communicate(timeout=300)[0].split()[1:] == [str(len(content)), "<NA>"]
    assert (tmp_path / f"{gid}-resource.jsonl.gz").read_bytes() == content
    assert ranges(asana) == [None, f"bytes={kept}-"]
    assert names(tmp_path) == [f"{gid}-resource.jsonl.gz"]


@posix
def test_killed_at_any_instant(asana, client, jobs, gid, content, tmp_path):
    """Again and again: the next download resumes, and nothing is left at the end."""
    target = tmp_path / f"{gid}-resource.jsonl.gz"
    chance = random.Random(7)
    for _ in range(8):
        asana.fault("slow", where="exports", seconds=2.0)
        asked = asana.stats.downloads
        with process(asana, gid, tmp_path) as child:
            until(lambda asked=asked: asana.stats.downloads > asked or child.poll() is not None)
            with suppress(subprocess.TimeoutExpired):
                child.wait(chance.uniform(0, 0.8))
            child.kill()
        assert not target.exists() or target.read_bytes() == content
    check(only(jobs.asana.download(tmp_path, client=client)), content)
    assert names(tmp_path) == [target.name]
