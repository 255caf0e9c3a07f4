"""What is known of custom fields: definitions, options, the types of their values. Pure."""

from __future__ import annotations

import msgspec
import pyarrow as pa

__all__ = ["INTERIM", "NO_LINE", "Definition", "Known", "label", "shows"]

_PEOPLE = pa.list_(pa.struct([("gid", pa.string()), ("name", pa.string()), ("email", pa.string())]))
_LINKS = pa.list_(
    pa.struct([("gid", pa.string()), ("resource_type", pa.string()), ("name", pa.string())])
)
INTERIM: dict[str, pa.DataType] = {
    "text": pa.string(),
    "number": pa.float64(),
    "enum": pa.string(),
    "multi_enum": pa.list_(pa.string()),
    "date": pa.timestamp("us", "UTC"),
    "people": _PEOPLE,
    "reference": _LINKS,
    "display": pa.string(),
}
"""The value of a custom field by its kind: one of these is filled."""
NO_LINE = (2**62, 0)
_KINDS = INTERIM.keys() - {"display"}


def label(gid: object) -> str:
    """Return the name of a custom field's column before names are settled."""
    return f"custom_fields:{gid}"


def shows(kind: str, representation: str | None) -> bool:
    """Whether the value of such a custom field may be in `display_value` only."""
    return kind not in _KINDS or representation in ("formula", "custom_id")


class Definition(msgspec.Struct):
    """A custom field as rows describe it; one that changes has several.

    `first` and `last` are file and line where it stood.
    """

    gid: str
    name: str | None
    kind: str
    representation: str | None
    precision: int | None
    format: str | None
    currency: str | None
    first: tuple[int, int] = NO_LINE
    last: tuple[int, int] = (-1, 0)

    @property
    def key(self) -> tuple[object, ...]:
        """What tells it from others."""
        return (
            self.gid,
            self.name,
            self.kind,
            self.representation,
            self.precision,
            self.format,
            self.currency,
        )

    @property
    def key_text(self) -> str:
        """The same, to sort by."""
        return repr(self.key)

    @property
    def shows(self) -> bool:
        """Whether its value may be in `display_value` only."""
        return shows(self.kind, self.representation)


class Known(msgspec.Struct):
    """What is known of custom fields: definitions, options, and the names that values had.

    Parameters
    ----------
    definitions
        In the order of their codes in the interim array.
    options
        By gid: the lists of options that came, each with file and line where it stood last.
    used
        By gid: the options that rows have.
    """

    definitions: list[Definition] = msgspec.field(default_factory=list)
    options: dict[str, list[tuple[tuple[int, int], list[str]]]] = msgspec.field(
        default_factory=dict
    )
    used: dict[str, set[str]] = msgspec.field(default_factory=dict)

    def merged(self, other: Known) -> Known:
        """Return what both know; codes no longer mean anything."""
        definitions: dict[tuple[object, ...], Definition] = {}
        for one in (*self.definitions, *other.definitions):
            there = definitions.get(one.key, one)
            definitions[one.key] = msgspec.structs.replace(
                one, first=min(one.first, there.first), last=max(one.last, there.last)
            )
        whole = Known(list(definitions.values()))
        for known in (self, other):
            for gid, lists in known.options.items():
                for line, names in lists:
                    whole.note_options(gid, names, line)
            for gid, used in known.used.items():
                whole.used[gid] = whole.used.get(gid, set()) | used
        return whole

    def note_options(self, gid: str, names: list[str], line: tuple[int, int]) -> None:
        """Note a list of options and where it stood."""
        lists = self.options.setdefault(gid, [])
        for place, (last, there) in enumerate(lists):
            if there == names:
                lists[place] = (max(last, line), names)
                return
        lists.append((line, names))
