"""Child processes that run the installed package from a folder of their own."""

from __future__ import annotations

import subprocess
import sys
import textwrap

TIMEOUT = 300
"""Seconds: about ten times what a child takes on a busy machine."""


def start_child(script, *arguments, folder, **options):
    """Start Python on a script in `folder`, so that it never imports the source tree.

    It writes no bytecode: a child whose files are limited in size would leave truncated ones,
    which every later process would import.
    """
    command = [sys.executable, "-B", "-c", textwrap.dedent(script), *map(str, arguments)]
    options = {"stdout": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen(command, cwd=folder, **options)


def run_child(script, *arguments, folder, **options):
    """Run such a child to its end and return what it printed; its failure is the test's."""
    with start_child(script, *arguments, folder=folder, **options) as child:
        printed, _ = child.communicate(timeout=TIMEOUT)
    assert child.returncode == 0, printed
    return printed
