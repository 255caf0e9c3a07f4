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
    ["_table"],
    ["_exports.convert", "_exports.compare"],
    ["_exports.worker", "_exports.engines"],
    ["_exports.dask_parquet"],
    ["_exports.distributed", "_exports.dataset"],
    ["_exports.parquet", "_exports.blocks", "_exports.dask_export", "_exports.sides"],
    ["_exports.assemble", "_exports.comparison"],
    ["_exports.changes", "_exports.views"],
    [
        "_exports.buckets",
        "_exports.cells",
        "_exports.export",
        "_exports.frames",
        "_exports.request",
        "_exports.workers",
    ],
    ["_exports.finish", "_exports.spool", "_exports.destination"],
    ["_exports.settle"],
    ["_exports.scan", "_exports.repeats", "_exports.aside"],
    ["_exports.custom_fields", "_exports.lines"],
    ["_exports.columns"],
    ["_exports.shapes"],
    ["_exports.economy", "_exports.issues", "_exports.nodes"],
    ["_exports.locations", "_exports.layout"],
    ["_exports.schema", "_exports.__init__"],
    ["_jobs.poll"],
    ["_jobs.read"],
    ["_jobs.fetch", "_jobs.views"],
    ["_jobs.progress", "_jobs.cast", "_jobs.states"],
    ["_jobs.frame"],
    ["_jobs.times"],
    ["_jobs.records", "_jobs.outcome", "_jobs.collector"],
    ["_jobs.fields", "_jobs.gids"],
    ["_jobs.schema", "_jobs.__init__"],
    ["_api.connect"],
    ["_api.client"],
    ["_api.answers", "_api.pool"],
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
