"""Count the modules of the package that one public call enters, on the sandbox.

`python scripts/modules_of_a_call.py` prints a Markdown table for docs/architecture.md;
with ``-v`` also the modules.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pandas as pd

import asana_jobs_pd as aj
from asana_jobs_pd.sandbox import Sandbox

PACKAGE = Path(aj.__file__).parent


def entered(call: Callable[[], object]) -> list[str]:
    """Return the modules in which a function ran during a call, in any thread."""
    codes = set()

    def note(frame: FrameType, event: str, _arg: object) -> None:
        if event == "call":
            codes.add(frame.f_code)

    call()  # what is imported, and cached, by a first call does not count
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    paths = {Path(code.co_filename) for code in codes if code.co_name != "<module>"}
    names = [path.relative_to(PACKAGE) for path in paths if path.is_relative_to(PACKAGE)]
    return sorted(str(name) for name in names if name.parts[0] != "sandbox")


def main() -> None:
    """Print the table."""
    with (
        Sandbox(time_scale=100, url_lifetime=1e6) as asana,
        tempfile.TemporaryDirectory() as folder,
    ):
        client = aj.Client(asana.token, base_url=asana.base_url)
        (gid,) = asana.gids(1, "graph_export_request")
        asana.finish(gid)
        pair = asana.gids(2)
        export = aj.read_asana_jobs(gid, client=client)
        files = aj.download_asana_exports(export, folder, client=client)
        (path,) = files["file.path"]
        calls: dict[str, Callable[[], object]] = {
            "read one job": lambda: aj.read_asana_jobs(pair[0], client=client),
            "load one file": lambda: aj.read_asana_export(path, workers=1),
            "start an export": lambda: aj.export_graph(asana.parents(1), client=client),
            "wait for two jobs": lambda: aj.wait_asana_jobs(pair, client=client),
            "download one export": lambda: aj.download_asana_exports(
                export, tempfile.mkdtemp(dir=folder), client=client
            ),
        }
        table = pd.Series({name: entered(call) for name, call in calls.items()})
        client.close()
    print("| call | modules entered |\n|---|---|")
    for name, modules in table.items():
        print(f"| {name} | {len(modules)} |")
        if "-v" in sys.argv:
            print("\n".join(f"    {module}" for module in modules), file=sys.stderr)


if __name__ == "__main__":
    main()
