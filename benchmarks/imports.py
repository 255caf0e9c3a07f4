"""What `import asana_jobs_pd` adds to `import pandas`.

`python -m benchmarks.imports` prints the table.
"""

from __future__ import annotations

import json
import subprocess
import sys

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
        ],
    )


if __name__ == "__main__":
    main()
