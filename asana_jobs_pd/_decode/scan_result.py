"""The options and results of a scan: what to read; keys, custom fields and issues found."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from typing import Literal, TypeVar

import msgspec

from asana_jobs_pd._decode.schema import SCHEMA, Node, Spec, merge

T = TypeVar("T")
LineKey = tuple[int, int]
"""The number of the file and the number of the line."""
MAX_ISSUES = 10_000
"""The most rows of `data.issues`; more are only counted."""
_MAX_VALUE_LENGTH = 200
_NO_LINE: LineKey = (2**62, 0)


class ReadOptions(msgspec.Struct, frozen=True):
    """What to read; sent to worker processes, too."""

    resource_types: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
    custom_fields: Literal["columns", "long", "raw"] = "columns"
    on_bad_lines: Literal["error", "warn", "skip"] = "error"
    max_line_bytes: int = 64 << 20


class Issue(msgspec.Struct, frozen=True, order=True):
    """A value that did not fit, a line that could not be read, or a file that ends early.

    `file` is the number of the file; `line` counts from 1 and is 0 for a whole file.
    """

    file: int
    line: int
    resource_type: str | None
    gid: str | None
    column: str | None
    value: str | None
    reason: str


class Issues(msgspec.Struct):
    """The first issues in the order of the files, and the number of all issues by type of row."""

    rows: list[Issue] = msgspec.field(default_factory=list)
    counts: dict[str, int] = msgspec.field(default_factory=dict)

    @property
    def count(self) -> int:
        """The number of all issues."""
        return sum(self.counts.values())

    def add(self, issue: Issue) -> None:
        """Count an issue; keep it if it is among the first."""
        name = issue.resource_type or ""
        self.counts[name] = self.counts.get(name, 0) + 1
        if len(self.rows) < 2 * MAX_ISSUES:
            self.rows.append(issue)
        else:
            self.rows = [*_first(self.rows), issue]

    def merged(self, other: Issues) -> Issues:
        """Return the issues of both, merged."""
        counts = {
            name: self.counts.get(name, 0) + other.counts.get(name, 0)
            for name in sorted(self.counts.keys() | other.counts.keys())
        }
        return Issues(_first([*self.rows, *other.rows]), counts)

    def sorted(self) -> list[Issue]:
        """Return the first issues in the order of the files."""
        return _first(self.rows)


def _first(rows: Iterable[Issue]) -> list[Issue]:
    return heapq.nsmallest(MAX_ISSUES, rows, key=_order)


def _order(issue: Issue) -> tuple[int, int, str, str, str]:
    return (issue.file, issue.line, issue.column or "", issue.reason, issue.value or "")


def abbreviate(text: bytes | str) -> str:
    """Return a value for display, abbreviated if it is long."""
    whole = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return whole if len(whole) <= _MAX_VALUE_LENGTH else whole[: _MAX_VALUE_LENGTH - 1] + "…"


class Definition(msgspec.Struct):
    """A custom field as rows describe it; a field that changes has several definitions.

    `stated` says whether rows name the kind, or it is only inferred from the value; `first` and
    `last` are the first and last lines with this description.
    """

    gid: str | None
    name: str | None
    kind: str
    stated: bool
    representation: str | None
    precision: int | None
    format: str | None
    currency: str | None
    first: LineKey = _NO_LINE
    last: LineKey = (-1, 0)

    @property
    def key(self) -> str:
        """The gid; for fields without one, kind and name."""
        return self.gid if self.gid is not None else f"\0{self.kind}\0{self.name}"

    @property
    def identity(self) -> tuple[object, ...]:
        """What distinguishes it from other definitions."""
        return tuple(getattr(self, name) for name in self.__struct_fields__[:-2])

    @property
    def is_computed(self) -> bool:
        """Whether a text may only be in `display_value`."""
        return self.representation in ("formula", "custom_id")

    @property
    def rank(self) -> int:
        """How much is known of the kind: it is stated, inferred from a value, or unknown."""
        return 2 if self.stated else int(bool(self.kind))


def label(key: str) -> str:
    """Return the label of a custom field in issues, until its column has a name."""
    return f"custom_fields:{key}"


class KnownFields(msgspec.Struct):
    """What is known about the custom fields of a type of row."""

    definitions: list[Definition] = msgspec.field(default_factory=list)
    options: dict[str, list[tuple[LineKey, list[str]]]] = msgspec.field(default_factory=dict)
    used: dict[str, set[str]] = msgspec.field(default_factory=dict)
    timed: set[str] = msgspec.field(default_factory=set)
    displayed: set[str] = msgspec.field(default_factory=set)

    def merged(self, other: KnownFields) -> KnownFields:
        """Return the knowledge of both; codes become meaningless."""
        definitions: dict[tuple[object, ...], Definition] = {}
        for definition in (*self.definitions, *other.definitions):
            if definition.last < definition.first:
                continue  # no row has it: its kind was inferred from values
            same = definitions.get(definition.identity, definition)
            definitions[definition.identity] = msgspec.structs.replace(
                definition,
                first=min(definition.first, same.first),
                last=max(definition.last, same.last),
            )
        merged = KnownFields(list(definitions.values()))
        merged.timed = self.timed | other.timed
        merged.displayed = self.displayed | other.displayed
        for known in (self, other):
            for key, lists in known.options.items():
                for line, names in lists:
                    merged.note_options(key, names, line)
            for key, used in known.used.items():
                merged.used[key] = merged.used.get(key, set()) | used
        return merged

    def note_options(self, key: str, names: list[str], line: LineKey) -> None:
        """Record a list of options, and the line it comes from."""
        lists = self.options.setdefault(key, [])
        for position, (last, known_names) in enumerate(lists):
            if known_names == names:
                lists[position] = (max(last, line), names)
                return
        lists.append((line, names))


class ScanResult(msgspec.Struct):
    """What was learned from files or parts of them; can be merged in any order."""

    roots: dict[str, Node] = msgspec.field(default_factory=dict)
    known: dict[str, KnownFields] = msgspec.field(default_factory=dict)
    issues: Issues = msgspec.field(default_factory=Issues)
    skipped: int = 0
    ended_early: list[int] = msgspec.field(default_factory=list)

    def merged(self, other: ScanResult) -> ScanResult:
        """Return the results of both."""
        roots = _merged_values(self.roots, other.roots, merge)
        known = _merged_values(self.known, other.known, KnownFields.merged)
        issues = self.issues.merged(other.issues)
        ended_early = sorted({*self.ended_early, *other.ended_early})
        return ScanResult(roots, known, issues, self.skipped + other.skipped, ended_early)


def _merged_values(
    left: dict[str, T], right: dict[str, T], join: Callable[[T, T], T]
) -> dict[str, T]:
    both = {name: join(left[name], right[name]) for name in left.keys() & right.keys()}
    merged = left | right | both
    return {name: merged[name] for name in sorted(merged)}


def spec_of(resource_type: str, options: ReadOptions) -> dict[str, Spec]:
    """Return the schema of a type of row under these options."""
    spec: dict[str, Spec] = {"custom_fields": "custom_fields"} | SCHEMA.get(resource_type, {})
    if options.custom_fields == "raw":
        del spec["custom_fields"]  # then it is like an undocumented key
    return spec
