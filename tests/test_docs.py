"""The documentation says what the table says."""

from __future__ import annotations

import re
from pathlib import Path

from asana_jobs_pd._jobs.schema import BOOKKEEPING, FIELDS, SOURCE, dtype_of

CELLS = 4
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
