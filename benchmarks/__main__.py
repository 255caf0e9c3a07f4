"""All benchmarks, as Markdown: `python -m benchmarks [fetch limits …]`.

`parquet` and `compare` are run only by their names: they take long, and some GB of disk.
"""

from __future__ import annotations

import os
import platform
import sys
from importlib import import_module
from importlib.metadata import version

ALL = ("fetch", "limits", "frame", "imports", "refresh", "download", "watch", "load")
PACKAGES = ("asana_jobs_pd", "pandas", "pyarrow", "requests", "urllib3", "asana", "aiohttp")


def main(names):
    python = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, {python};")
    print(", ".join(f"{package} {version(package)}" for package in PACKAGES) + ".")
    figures = [figure for name in names for figure in import_module(f"benchmarks.{name}").main()]
    aims = [figure for figure in figures if figure.target is not None]
    missed = [f"{figure.table}: {figure.what}" for figure in aims if not figure.met]
    print(f"\n{len(aims) - len(missed)} of {len(aims)} targets met.", *missed, sep="\n- ")


if __name__ == "__main__":
    main(sys.argv[1:] or ALL)
