"""The documentation says what the table says."""

from __future__ import annotations

import re
from pathlib import Path

import asana_jobs_pd as aj
from asana_jobs_pd._jobs.schema import BOOKKEEPING, FIELDS, SOURCE, dtype_of

CELLS = 4
REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
COLUMNS = Path(__file__).parents[1] / "docs" / "columns.md"


def rows():
    for column in (*FIELDS, *BOOKKEEPING, *SOURCE):
        yield f"| `{column.name}` | `{dtype_of(column.kind)}` | {column.meaning} |"


def test_the_page_of_columns_is_the_table():
    """Every column with its dtype and meaning, in order."""
    page = COLUMNS.read_text(encoding="utf-8").splitlines()
    assert [line for line in page if line.startswith("| `") and line.count("|") == CELLS] == list(
        rows()
    )


def test_the_tests_that_the_reliability_page_names_exist():
    """Every fault on the page is held by tests that are there."""
    page = (COLUMNS.parent / "reliability.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w/]+(?:\.py|/))`", page))
    assert len(named) > 20
    assert not [name for name in named if not (Path(__file__).parent / name).exists()]


def test_the_reference_has_every_public_name():
    """Functions, classes, verbs of ``df.asana`` and public modules; errors are generated."""
    pages = " ".join(path.read_text(encoding="utf-8") for path in REFERENCE.glob("*.md"))
    listed = set(re.findall(r"[\w.]+", pages))
    generated = {"errors", *aj.errors.__all__}
    modules = {name.partition(".")[2] for name in listed if name.startswith("asana_jobs_pd.")}
    assert not set(aj.__all__) - listed - modules - generated
    verbs = {f"DataFrame.asana.{name}" for name in dir(aj.AsanaAccessor) if name[0] != "_"}
    assert not verbs - listed


def test_every_error_has_a_remedy():
    """The page of errors has a row for each of them."""
    page = (REFERENCE.parent / "guide" / "errors.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert named == set(aj.errors.__all__) - {"AsanaJobsError"}


def test_the_page_of_environment_variables_is_complete():
    """It has every variable that the package names."""
    page = (REFERENCE / "environment.md").read_text(encoding="utf-8")
    package = Path(aj.__file__).parent
    code = " ".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    named = set(re.findall(r"\bASANA_(?:JOBS_)?[A-Z]+(?:_[A-Z]+)*\b", code))
    assert not named - set(re.findall(r"\w+", page)) - {"ASANA_JOBS"}
