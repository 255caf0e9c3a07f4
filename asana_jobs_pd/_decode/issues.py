"""What did not fit, cell by cell: where, what, why."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import msgspec

__all__ = ["MOST", "Issue", "Issues", "shown"]

MOST = 10_000
"""Rows of `data.issues`; all are counted."""
LONGEST = 200
"""Characters of a value that are kept."""


class Issue(msgspec.Struct, frozen=True, order=True):
    """A value that did not fit, a line that could not be read, or a file that ended early.

    `file` is the number of the file; `line` counts from 1, 0 where there is none.
    """

    file: int
    line: int
    resource_type: str | None
    gid: str | None
    column: str | None
    value: str | None
    reason: str


class Issues(msgspec.Struct):
    """The first issues in the order of the files, and how many there are by `resource_type`."""

    rows: list[Issue] = msgspec.field(default_factory=list)
    counts: dict[str, int] = msgspec.field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(self.counts.values())

    def add(self, issue: Issue) -> None:
        """Note an issue; beyond the most that are kept it only counts."""
        name = issue.resource_type or ""
        self.counts[name] = self.counts.get(name, 0) + 1
        if len(self.rows) < 2 * MOST:
            self.rows.append(issue)
        else:
            self.rows = [*_first(self.rows), issue]

    def merged(self, other: Issues) -> Issues:
        """Return these and others."""
        counts = {
            name: self.counts.get(name, 0) + other.counts.get(name, 0)
            for name in sorted(self.counts.keys() | other.counts.keys())
        }
        return Issues(_first([*self.rows, *other.rows]), counts)

    def sorted(self) -> list[Issue]:
        """Return the first ones, in the order of the files."""
        return _first(self.rows)


def _first(rows: Iterable[Issue]) -> list[Issue]:
    return heapq.nsmallest(MOST, rows, key=_order)


def _order(issue: Issue) -> tuple[int, int, str, str, str]:
    return (issue.file, issue.line, issue.column or "", issue.reason, issue.value or "")


def shown(text: bytes | str) -> str:
    """Return a value as it is shown: cut when it is long."""
    whole = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return whole if len(whole) <= LONGEST else whole[: LONGEST - 1] + "…"
