"""Fresh processes, servers beside them, medians, and a table."""

from __future__ import annotations

import contextlib
import json
import operator
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

try:
    import resource
except ImportError:  # Windows
    resource = None

HEADER = """\
| what | median | min … max | target | figure / target | met? |
|---|--:|--:|--:|--:|---|"""
_COMPARE = {"≤": operator.le, "≥": operator.ge, "=": operator.eq}


@dataclass
class Figure:
    """One line of a table.

    `sign` and `target` are what the median has to keep to, or with `each` every value.
    """

    what: str
    values: list[float]
    unit: str = ""
    target: float | None = None
    sign: str = "≤"
    each: bool = False
    table: str = ""

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def met(self):
        values = self.values if self.each else [self.median]
        return self.target is None or all(
            _COMPARE[self.sign](value, self.target) for value in values
        )

    def row(self):
        cells = [self.what, f"{_number(self.median)} {self.unit}", "", "", "", ""]
        if len(self.values) > 1:
            cells[2] = f"{_number(min(self.values))} … {_number(max(self.values))}"
        if self.target is not None:
            cells[3] = f"{self.sign} {_number(self.target)}"
            cells[4] = f"{self.median / self.target:.2f}" if self.target else ""
            cells[5] = "yes" if self.met else "**no**"
        return f"| {' | '.join(cell.strip() for cell in cells)} |"


def show(title, figures):
    """Print a table, and return its figures."""
    print(f"\n### {title}\n\n{HEADER}")
    for figure in figures:
        figure.table = title
        print(figure.row(), flush=True)
    return figures


def fresh(module, *arguments):
    """Run a module of this folder in a process of its own; return the JSON it prints last."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def interleaved(contenders, repetitions, run):
    """Return the results of each contender, measured in turns: A B C, A B C, …"""
    results = {name: [] for name in contenders}
    for _ in range(repetitions):
        for name in contenders:
            results[name].append(run(name))
    return results


@contextlib.contextmanager
def beside(*arguments):
    """Run a server in a process of its own; yield the base URL that it prints."""
    command = [sys.executable, "-m", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            line = next(line for line in server.stdout if "http://" in line)
            yield line[line.index("http://") :].strip()
        finally:
            server.terminate()


def timed(call):
    """Return what a call returns, its wall seconds and the CPU seconds of this process."""
    cpu, wall = _cpu(), time.perf_counter()
    result = call()
    return result, time.perf_counter() - wall, _cpu() - cpu


def _cpu():
    if resource is None:
        return time.process_time()
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _number(value):
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
