"""What is released: the wheel and the sdist hold what they should, and their text is readable."""

from __future__ import annotations

import email
import importlib.util
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "conda"
TOOLS = ("build", "twine", "hatchling", "hatch_fancy_pypi_readme")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(importlib.util.find_spec(tool) for tool in TOOLS), reason="needs the group release"
    ),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder with both distributions, built without a network."""
    folder = tmp_path_factory.mktemp("dist")
    run("build", "--no-isolation", "--outdir", str(folder), str(ROOT))
    return folder


def run(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(folder):
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as file:
        yield file


def modules():
    """Every file of the package that git knows or would: no caches."""
    package = ROOT / "asana_jobs_pd"
    return {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_a_package_index_takes_them(folder):
    """``twine check --strict`` finds nothing."""
    run("twine", "check", "--strict", *map(str, folder.iterdir()))


def test_the_wheel_is_the_package(wheel):
    """Every module and data file, the widget's script for Jupyter, the licence; no tests."""
    names = set(wheel.namelist())
    ours = {name for name in names if name.startswith("asana_jobs_pd/")}
    assert ours == modules()
    shared = {name.partition(".data/data/")[2] for name in names} - {""}
    assert "share/jupyter/labextensions/asana_jobs_pd/jobs.js" in shared
    assert "share/jupyter/nbextensions/asana_jobs_pd/jobs.js" in shared
    assert "etc/jupyter/nbconfig/notebook.d/asana_jobs_pd.json" in shared
    rest = {name.rpartition("/")[2] for name in names if ".dist-info/" in name}
    assert rest == {"METADATA", "WHEEL", "RECORD", "LICENSE", "entry_points.txt"}


def test_the_sdist_is_what_a_packager_needs(folder):
    """The package, its tests and documentation, and what builds and checks them; nothing made."""
    with tarfile.open(next(folder.glob("*.tar.gz"))) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert modules() <= names
    for path in ("README.md", "LICENSE", "CHANGELOG.md", "noxfile.py", ".ci/oldest.txt"):
        assert path in names
    for start in ("tests/", "docs/", "notebooks/", "scripts/", "benchmarks/"):
        assert any(name.startswith(start) for name in names), start
    made = ("docs/_build", "docs/notebooks", "docs/reference/api", "shots/", ".venv", "__pycache__")
    assert not [name for name in names if any(part in name for part in made)]


def test_the_long_description_needs_no_repository(wheel):
    """It is the README without pictures, and without links that lead nowhere on an index."""
    [path] = [name for name in wheel.namelist() if name.endswith("METADATA")]
    text = email.message_from_bytes(wheel.read(path)).get_payload()
    assert text.startswith("# asana_jobs_pd")
    assert "## In a notebook" in text
    assert "| `dask` |" in text
    assert not re.search(r"<picture|<img|!\[", text)
    assert not [link for link in re.findall(r"\]\(([^)]*)\)", text) if "://" not in link]


def test_the_conda_recipe_is_that_of_the_package():
    """It renders, and its version, dependencies and command are those of pyproject.toml."""
    rattler = pytest.importorskip("rattler_build")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    variants = rattler.VariantConfig.from_file(str(RECIPE / "variants.yaml"))
    [made] = rattler.Stage0Recipe.from_file(str(RECIPE / "recipe.yaml")).render(variants)
    assert made.recipe.to_dict()["package"]["version"] == project["version"]
    text = (RECIPE / "recipe.yaml").read_text(encoding="utf-8")
    listed = text.partition("  run:\n")[2].partition("\ntests:")[0].split("\n    - ")
    listed = {line.strip(" -\n").replace(" ", "") for line in listed if "python_min" not in line}
    wanted = {line.partition(";")[0] for line in project["dependencies"]}
    assert listed == {line.replace("isal", "python-isal") for line in wanted}
    [(name, target)] = project["scripts"].items()
    assert f"{name} = {target}" in text
    lowest = project["requires-python"].removeprefix(">=")
    assert f'"{lowest}"' in (RECIPE / "variants.yaml").read_text(encoding="utf-8")
