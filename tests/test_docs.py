"""The documentation says what the table says."""

from __future__ import annotations

from pathlib import Path

from asana_jobs_pd._jobs.schema import BOOKKEEPING, FIELDS, SOURCE, dtype_of

COLUMNS = Path(__file__).parents[1] / "docs" / "columns.md"


def rows():
    for row in (*FIELDS, *BOOKKEEPING, *SOURCE):
        yield f"| `{row.column}` | `{dtype_of(row.kind)}` | {row.meaning} |"


def test_the_page_of_columns_is_the_table():
    """Every column with its dtype and meaning, in order."""
    page = COLUMNS.read_text(encoding="utf-8").splitlines()
    assert [line for line in page if line.startswith("| `")] == list(rows())
