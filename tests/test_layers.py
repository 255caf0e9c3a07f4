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
    ["_accessor"],
    ["_notebook.magic"],
    ["_notebook.arguments"],
    ["_notebook.widget"],
    ["_notebook.draw", "_notebook.transfer"],
    ["_notebook.panel"],
    ["_notebook.controls", "_notebook.face", "_notebook.files"],
    ["_notebook.markup"],
    ["_notebook.table"],
    ["_notebook.page", "_notebook.status", "_notebook.style"],
    ["_notebook.rows"],
    ["_table"],
    ["_notebook.palette", "_notebook.words", "_notebook.ticker", "_notebook.__init__"],
    ["_exports.worker", "_exports.engines"],
    ["_exports.assemble"],
    ["_exports.export", "_exports.frames", "_exports.request", "_exports.workers"],
    ["_exports.finish"],
    ["_exports.settle"],
    ["_exports.scan"],
    ["_exports.custom_fields", "_exports.lines"],
    ["_exports.columns"],
    ["_exports.shapes"],
    ["_exports.economy", "_exports.issues", "_exports.nodes"],
    ["_exports.schema"],
    ["_exports.download"],
    ["_exports.run"],
    ["_exports.bars", "_exports.engine", "_exports.result"],
    ["_exports.transfer"],
    ["_exports.tries"],
    ["_exports.source", "_exports.part", "_exports.verify", "_exports.finished"],
    ["_exports.entries", "_exports.decide", "_exports.disk", "_exports.lock", "_exports.behind"],
    ["_exports.files", "_exports.__init__"],
    ["_jobs.wait"],
    ["_jobs.monitor", "_jobs.read"],
    ["_jobs.standing"],
    ["_jobs.poller"],
    [
        "_jobs.board",
        "_jobs.crew",
        "_jobs.fetch",
        "_jobs.outage",
        "_jobs.pace",
        "_jobs.teller",
        "_jobs.views",
    ],
    ["_jobs.callbacks", "_jobs.cells", "_jobs.clock", "_jobs.merge", "_jobs.schedule"],
    ["_jobs.progress", "_jobs.cast", "_jobs.states"],
    ["_jobs.frame"],
    ["_jobs.times"],
    ["_jobs.records", "_jobs.outcome"],
    ["_jobs.fields", "_jobs.gids"],
    ["_jobs.schema", "_jobs.__init__"],
    ["_api.connect"],
    ["_api.client"],
    ["_api.answers", "_api.pool", "_api.signed_transport"],
    ["_api.signed_urls"],
    ["_api.transport", "_api.limits"],
    ["_api.auth", "_api.budget", "_api.changes", "_api.options", "_api.retry"],
    ["_api.redact", "_api.warn", "_api.__init__"],
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
