"""What `import asana_jobs_pd` adds to `import pandas`, and what an installation takes on disk.

`python -m benchmarks.imports` prints the table.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

from benchmarks.measure import Figure, show

HEAVY = {"requests", "ipywidgets", "IPython", "tqdm.auto", "orjson", "urllib3"}
SCRIPT = f"""
import json, sys, time
began = time.perf_counter()
import pandas
between = time.perf_counter()
import asana_jobs_pd
ended = time.perf_counter()
heavy = sorted({HEAVY!r} & set(sys.modules))
print(json.dumps({{"pandas": between - began, "ours": ended - between, "heavy": heavy}}))
"""


def measure():
    done = subprocess.run([sys.executable, "-c", SCRIPT], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def installed_size(name):
    """Megabytes of the files of a distribution, as it is installed or would be."""
    found = distribution(name)
    if name == "asana_jobs_pd":  # may be an editable installation, whose files are elsewhere
        package = Path(__import__(name).__file__).parent
        files = [path for path in package.rglob("*") if "__pycache__" not in path.parts]
    else:
        files = [Path(found.locate_file(file)) for file in found.files or ()]
    return sum(path.stat().st_size for path in files if path.is_file()) / 1e6


def required():
    """The distributions that an installation without extras brings, ours left out."""
    waiting, names = ["asana_jobs_pd"], set()
    while waiting:
        for line in distribution(waiting.pop()).requires or ():
            requirement = Requirement(line)
            marker = requirement.marker
            if (marker is None or marker.evaluate({"extra": ""})) and requirement.name not in names:
                names.add(requirement.name)
                waiting.append(requirement.name)
    return names


def main(repetitions=30):
    measure()  # compiles
    results = [measure() for _ in range(repetitions)]
    heavy = sorted({name for result in results for name in result["heavy"]})
    return show(
        f"Import, {repetitions} processes",
        [
            Figure("pandas", [result["pandas"] * 1000 for result in results], "ms"),
            Figure(
                "asana_jobs_pd after it",
                [result["ours"] * 1000 for result in results],
                "ms",
                30,
            ),
            Figure(
                f"heavy modules it loads ({', '.join(heavy) or 'none'})",
                [len(result["heavy"]) for result in results],
                "",
                0,
                "=",
                each=True,
            ),
            Figure("asana_jobs_pd on disk", [installed_size("asana_jobs_pd")], "MB", 3),
            Figure("what it requires", [sum(map(installed_size, required()))], "MB"),
        ],
    )


if __name__ == "__main__":
    main()
