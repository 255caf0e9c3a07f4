"""The floors of the house: imports go down, never up."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import asana_jobs_pd

ROOT = Path(asana_jobs_pd.__file__).parent
FLOORS = [
    ["__main__"],
    ["_demo"],
    ["__init__"],
    ["ledger"],
    ["_accessor"],
    ["_commands.export", "_commands.read", "_commands.recent", "_commands.watch"],
    ["_commands.__init__", "_commands.console", "_commands.live", "_commands.output"],
    ["_notebook.widget"],
    ["_notebook.transfer"],
    ["_notebook.panel", "_notebook.report"],
    [
        "_notebook.draw",
        "_notebook.face",
        "_notebook.files",
        "_notebook.plot",
        "_notebook.report_html",
    ],
    [
        "_notebook.controls",
        "_notebook.markup",
        "_notebook.report_model",
        "_notebook.report_svg",
        "_notebook.table",
        "_notebook.timeline",
    ],
    ["_notebook.arrange", "_notebook.page"],
    [
        "_notebook.axes",
        "_notebook.excel",
        "_notebook.magic",
        "_notebook.report_style",
        "_notebook.rows",
        "_notebook.spans",
        "_notebook.status",
        "_notebook.style",
    ],
    [
        "_notebook.__init__",
        "_notebook.arguments",
        "_notebook.cells",
        "_notebook.elements",
        "_notebook.palette",
        "_notebook.ticker",
        "_notebook.ticks",
        "_notebook.words",
        "_notebook.zones",
    ],
    ["_exports.convert"],
    ["_exports.dask_parquet", "_exports.engines"],
    ["_exports.distributed", "_exports.parquet"],
    ["_exports.assemble", "_exports.worker"],
    ["_exports.blocks", "_exports.workers"],
    ["_exports.compare", "_exports.download", "_exports.finish", "_exports.spool"],
    ["_exports.comparison", "_exports.run", "_exports.scan"],
    ["_exports.engine", "_exports.row_reader", "_exports.views"],
    ["_exports.custom_fields", "_exports.frames", "_exports.transfer"],
    [
        "_exports.columns",
        "_exports.dataset",
        "_exports.field_types",
        "_exports.request",
        "_exports.settle",
        "_exports.tries",
    ],
    [
        "_exports.dask_export",
        "_exports.learned",
        "_exports.result",
        "_exports.shapes",
        "_exports.sides",
        "_exports.source",
    ],
    [
        "_exports.bars",
        "_exports.changes",
        "_exports.destination",
        "_exports.entries",
        "_exports.export",
        "_exports.lines",
        "_exports.nodes",
        "_exports.part",
    ],
    [
        "_exports.__init__",
        "_exports.aside",
        "_exports.behind",
        "_exports.buckets",
        "_exports.by_type",
        "_exports.cells",
        "_exports.decide",
        "_exports.definitions",
        "_exports.disk",
        "_exports.economy",
        "_exports.files",
        "_exports.finished",
        "_exports.issues",
        "_exports.layout",
        "_exports.locations",
        "_exports.lock",
        "_exports.repeats",
        "_exports.schema",
        "_exports.verify",
    ],
    ["_jobs.wait"],
    ["_jobs.monitor", "_jobs.start", "_jobs.start_exports"],
    ["_jobs.standing", "_jobs.starting"],
    ["_jobs.poller", "_jobs.starter"],
    ["_jobs.begun", "_jobs.board", "_jobs.read"],
    ["_jobs.frame"],
    [
        "_jobs.fetch",
        "_jobs.ledger",
        "_jobs.records",
        "_jobs.resource_export",
        "_jobs.start_request",
        "_jobs.views",
        "_table",
    ],
    [
        "_jobs.cast",
        "_jobs.crew",
        "_jobs.fields",
        "_jobs.in_progress",
        "_jobs.ledger_writer",
        "_jobs.merge",
        "_jobs.options",
        "_jobs.outage",
        "_jobs.pace",
        "_jobs.states",
        "_jobs.teller",
    ],
    [
        "_jobs.__init__",
        "_jobs.callbacks",
        "_jobs.cells",
        "_jobs.clock",
        "_jobs.collector",
        "_jobs.gids",
        "_jobs.instants",
        "_jobs.ledger_file",
        "_jobs.outcome",
        "_jobs.progress",
        "_jobs.schedule",
        "_jobs.schema",
        "_jobs.start_queue",
        "_jobs.times",
        "_jobs.verbs",
    ],
    ["_api.account", "_api.connect"],
    ["_api.client"],
    ["_api.posted"],
    ["_api.answers", "_api.attempts", "_api.signed_transport"],
    ["_api.pool", "_api.signed_urls", "_api.transport"],
    ["_api.base_url", "_api.changes", "_api.limits", "_formulas"],
    [
        "_api.__init__",
        "_api.auth",
        "_api.budget",
        "_api.one_server",
        "_api.options",
        "_api.redact",
        "_api.retry",
        "_api.warn",
        "_atomic",
        "_texts",
    ],
    ["typing"],
    ["errors"],
]
LEVEL = {name: -level for level, names in enumerate(FLOORS) for name in names}
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in ROOT.rglob("*.py")
    if "sandbox" not in path.parts
)


class Imports(ast.NodeVisitor):
    """Collects what a module imports of the package, but for annotations and lazily."""

    def __init__(self):
        self.names = set()

    def visit_If(self, node):
        if ast.unparse(node.test) != "TYPE_CHECKING":
            self.generic_visit(node)

    def visit_FunctionDef(self, node):
        for child in node.body:
            self.visit(child)

    def visit_ImportFrom(self, node):
        if node.level:
            self.names.add("." * node.level)
        elif node.module and node.module.split(".")[0] == "asana_jobs_pd":
            inside = node.module.partition(".")[2]
            for alias in node.names:
                self.names.add(inside or alias.name)

    def visit_Import(self, node):
        self.names |= {
            alias.name.partition(".")[2]
            for alias in node.names
            if alias.name.startswith("asana_jobs_pd.")
        }


def imports_of(path):
    visitor = Imports()
    visitor.visit(ast.parse(path.read_text(encoding="utf-8")))
    return visitor.names


def test_every_module_has_its_floor():
    """A new module is given a place before it is used."""
    assert set(MODULES) == set(LEVEL)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module):
    """A module imports only from floors below its own, lazily or not."""
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    for name in imports_of(path):
        if name.split(".")[0] == "sandbox":
            assert module == "_demo", f"{module} imports the sandbox"
        elif module != "__init__" or name != "_accessor":
            assert LEVEL[name] < LEVEL[module], f"{module} imports {name}"


def test_the_sandbox_stands_apart():
    """It imports nothing of the package but itself."""
    for path in (ROOT / "sandbox").rglob("*.py"):
        for name in imports_of(path):
            assert name == "." or name.split(".")[0] == "sandbox", f"{path.name} imports {name}"
