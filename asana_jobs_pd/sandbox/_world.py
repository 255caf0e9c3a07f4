"""A workspace whose exports agree with each other, generated from a seed.

Every task is a function of the seed and its number, so that a world of a million tasks can be
generated as a stream, in constant memory, and any part of it on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from random import Random
from typing import Any, NamedTuple, TypeAlias
from zlib import crc32

from ._workspace import definitions, filled, person, title

Json: TypeAlias = dict[str, Any]
Field: TypeAlias = str | tuple[str, int]
"""One of "assignee", "completed", "due_on", "name", ("section", project), ("field", n)."""

START, NOW = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 1000 for year in (2024, 2026))
"""Tasks are created and changed from `START` to `NOW`, and after that only with `weeks`.

Times are in milliseconds since 1970.
"""
_WEEK = 7 * 86_400_000
SECTIONS = ("To do", "Doing", "Review", "Done")
CHANGING = ("text", "number", "enum", "multi_enum", "date", "people")
"""The types of custom fields that people change; others are computed, or set once."""
_KINDS = (
    *("workspace", "user", "team", "tag", "portfolio", "project", "section", "task", "story"),
    *("message", "time_tracking_entry", "allocation", "like"),
)
_PARENTS = {6: 6, 7: 1, 8: 1, 9: 9}
"""The subtasks among every ten tasks, by last digit, and how far before them their parents are.

They form three levels.
"""
_WITHOUT_PROJECT = (6, 7, 8)
"""The subtasks that are in no project: they are only in one if somebody adds them."""


class Change(NamedTuple):
    """A change to a task; `at` is in milliseconds since 1970, `by` is the number of a user."""

    at: int
    by: int
    field: Field
    old: Any
    new: Any


class Interval(NamedTuple):
    """A period in which a field had a value; `to` is None for now, `by` is None if unknown."""

    value: Any
    start: int
    to: int | None
    by: int | None


@dataclass(frozen=True)
class Task:
    """A task: its initial state, its changes, and its current state, by field."""

    number: int
    created_at: int
    created_by: int
    first: Mapping[Field, Any]
    changes: Sequence[Change]
    last: Mapping[Field, Any]

    @property
    def modified_at(self) -> int:
        """The time of the last change."""
        return self.changes[-1].at if self.changes else self.created_at

    @cached_property
    def memberships(self) -> dict[int, int]:
        """The task's section in each of its projects."""
        return {
            field[1]: section
            for field, section in self.last.items()
            if isinstance(field, tuple) and field[0] == "section" and section is not None
        }

    def intervals(self, field: Field) -> list[Interval]:
        """Return the values of a field, from the task's creation until now."""
        changes = [change for change in self.changes if change.field == field]
        begins: list[tuple[Any, int, int | None]] = [(self.first.get(field), self.created_at, None)]
        begins += [(change.new, change.at, change.by) for change in changes]
        ends = [*(at for _, at, _ in begins[1:]), None]
        return [
            Interval(value, at, end, by)
            for (value, at, by), end in zip(begins, ends, strict=True)
            if end is None or end > at
        ]


class World:
    """A generated workspace: its objects and its exports.

    Parameters
    ----------
    seed
        The same seed gives the same world.
    tasks
        The number of tasks, 50 to 1,000,000; everything else grows with it, within limits.
    field_gids
        Whether custom fields in graph exports have gids; Asana does not document whether they do.
    hidden
        The share of projects that the user of the exports cannot see: these, and what is only in
        them, are left out, while links to them remain.
    weeks
        How many weeks have passed since `NOW`: in each of them, a tenth of the tasks changes, and
        some are added.
    """

    def __init__(
        self,
        seed: int | str = 0,
        tasks: int = 1000,
        *,
        field_gids: bool = True,
        hidden: float = 0.0,
        weeks: int = 0,
    ) -> None:
        self.seed, self.field_gids, self.weeks = seed, field_gids, weeks
        self.first_tasks, self._added = tasks, max(1, tasks // 50)
        self.tasks = tasks + weeks * self._added
        self._salt = crc32(str(seed).encode()) % 10**6
        rng = Random(f"{seed}/world")
        self.workspace = self.compact("workspace", 0, "Acme Café GmbH")
        counts = {
            "user": min(200, max(8, tasks // 50)),
            "team": 6,
            "tag": 12,
            "project": min(400, max(6, tasks // 25)),
        }
        counts["portfolio"] = min(40, max(4, counts["project"] // 4))
        names = {"user": person}
        self.users, self.teams, self.tags, self.projects, self.portfolios = (
            [self.compact(kind, n, names.get(kind, title)(rng)) for n in range(count)]
            for kind, count in counts.items()
        )
        self.fields = definitions(rng)
        self._constant = {
            ("field", number)
            for number, field in enumerate(self.fields)
            if field["type"] not in CHANGING or field["is_formula_field"] or field["id_prefix"]
        }
        self.fields_of = [
            sorted(rng.sample(range(len(self.fields)), len(self.fields) - 3)) for _ in self.projects
        ]
        self.hidden = {n for n in range(1, len(self.projects)) if rng.random() < hidden}
        self.task = lru_cache(maxsize=64)(self._task)
        self.dependencies = lru_cache(maxsize=64)(self._dependencies)

    def gid(self, kind: str, number: int) -> str:
        """Return a gid of 16, 17 or 19 digits; many are too large for a float."""
        zeros = (14, 15, 17, 15)[number % 4]
        return str((10 + _KINDS.index(kind)) * 10**zeros + self._salt * 10**8 + number)

    def compact(self, kind: str, number: int, name: str) -> Json:
        """Return an object in compact form."""
        return {"gid": self.gid(kind, number), "resource_type": kind, "name": name}

    def section(self, project: int, number: int) -> Json:
        """Return a section of a project in compact form."""
        return self.compact("section", project * len(SECTIONS) + number, SECTIONS[number])

    # Objects and their relations

    def parent(self, number: int) -> int | None:
        """Return the parent of a subtask."""
        back = _PARENTS.get(number % 10)
        return None if back is None else number - back

    def depth(self, number: int) -> int:
        """Return how many ancestors a task has, up to three."""
        parent = self.parent(number)
        return 0 if parent is None else self.depth(parent) + 1

    def subtasks(self, number: int) -> list[int]:
        """Return the subtasks of a task."""
        near = range(number + 1, min(number + 10, self.tasks))
        return [later for later in near if self.parent(later) == number]

    def _dependencies(self, number: int) -> list[int]:
        """Return the tasks that a task depends on; all of them are earlier ones."""
        rng = Random(f"{self.seed}/waits/{number}")
        near = range(max(0, number - 6), number)
        return rng.sample(near, 1 + (len(near) > 1)) if near and rng.random() < 1 / 4 else []

    def dependents(self, number: int) -> list[int]:
        """Return the tasks that depend on a task."""
        near = range(number + 1, min(number + 7, self.tasks))
        return [later for later in near if number in self.dependencies(later)]

    def portfolio_links(self) -> list[tuple[int, int]]:
        """Return pairs of a portfolio and one within it; the first portfolio contains all."""
        links = [((number - 1) // 3, number) for number in range(1, len(self.portfolios))]
        return links + [(1, number) for number in range(8, len(self.portfolios), 7)]

    def project_links(self) -> list[tuple[int, int]]:
        """Return pairs of a portfolio and a project in it; some projects are in two."""
        count = len(self.portfolios)
        numbers = range(len(self.projects))
        links = [(number % count, number) for number in numbers]
        return links + [((number + 1) % count, number) for number in numbers[3::5]]

    def is_visible(self, number: int) -> bool:
        """Return whether the user of the exports can see a task, via a project or its parent."""
        projects = self.task(number).memberships.keys()
        parent = self.parent(number)
        if parent is None:
            return not projects or not projects <= self.hidden
        return not projects <= self.hidden or self.is_visible(parent)

    def in_graph(self, parent: str | None = None, *, first: int = 0) -> Iterator[int]:
        """Yield the tasks in the graph export of a portfolio or project; None for everything.

        It has the tasks of the visible projects, and the first level of their subtasks.
        """
        projects = self.projects_below(parent) - self.hidden
        for number in range(first, self.tasks):
            above = self.parent(number)
            either = (number,) if above is None else (number, above)
            if any(projects.intersection(self.task(each).memberships) for each in either):
                yield number

    def team_of(self, project: int) -> Json:
        """Return the team of a project."""
        return self.teams[project % len(self.teams)]

    def nth(self, kind: str, number: int) -> str:
        """Return the gid of the n-th visible object of a kind, starting over at the end."""
        projects = [each for n, each in enumerate(self.projects) if n not in self.hidden]
        objects = {"project": projects, "portfolio": self.portfolios, "team": self.teams}[kind]
        gid: str = objects[number % len(objects)]["gid"]
        return gid

    def portfolios_below(self, parent: str | None) -> set[int]:
        """Return the portfolios in the graph export of a portfolio; None for everything."""
        below = {n for n, each in enumerate(self.portfolios) if parent in (None, each["gid"])}
        for above, portfolio in sorted(self.portfolio_links()):
            if above in below:
                below.add(portfolio)
        return below

    def projects_below(self, parent: str | None) -> set[int]:
        """Return the projects in a graph export, hidden ones included."""
        portfolios = self.portfolios_below(parent)
        within = {project for portfolio, project in self.project_links() if portfolio in portfolios}
        return within | {
            number
            for number, project in enumerate(self.projects)
            if parent in (project["gid"], self.team_of(number)["gid"])
        }

    # Changes of tasks

    def _period(self, number: int) -> tuple[int, int]:
        """Return a task's time of creation, and the end of its first period: `NOW`, or a week."""
        begin, end, index, count = START, NOW, number, self.first_tasks
        if number >= count:
            week, index = divmod(number - count, self._added)
            begin, count = end + week * _WEEK, self._added
            end = begin + _WEEK
        return begin + index * ((end - begin) * 19 // 20) // count, end

    def _task(self, number: int) -> Task:
        rng = Random(f"{self.seed}/task/{number}")
        created, end = self._period(number)
        created += -created % 1000 if number % 4 == 1 else rng.randrange(1000)
        first: dict[Field, Any] = {
            "name": title(rng),
            "completed": False,
            "assignee": None,
            "due_on": day(rng, created) if rng.random() < 1 / 2 else None,
        }
        changes: list[Change] = []
        by = rng.randrange(len(self.users))
        count = 0 if number % 10 in _WITHOUT_PROJECT else rng.choice((1, 1, 2))
        for project in rng.sample(range(len(self.projects)), count):
            changes.append(Change(created, by, ("section", project), None, 0))
            for field in self.fields_of[project]:
                first[("field", field)] = filled(self.fields[field], rng, self.users)
        state = {**first, **{change.field: change.new for change in changes}}
        at = created
        for _ in range(rng.randrange(2, 9)):
            at += 1000 + rng.randrange((end - at) // 4)
            at -= at % 1000 if rng.random() < 1 / 4 else 0
            changes.append(self._change(rng, at, state))
            state[changes[-1].field] = changes[-1].new
        for begin in range(end, NOW + self.weeks * _WEEK, _WEEK):
            rng = Random(f"{self.seed}/week/{begin}/{number}")
            if rng.random() < 1 / 10:
                changes.append(self._change(rng, begin + rng.randrange(_WEEK), state))
                state[changes[-1].field] = changes[-1].new
        return Task(number, created, by, first, changes, state)

    def _change(self, rng: Random, at: int, state: Mapping[Field, Any]) -> Change:
        choices = [field for field in state if field not in self._constant]
        sections = [field for field in state if field[0] == "section"]
        field = rng.choice([*choices, "completed", "assignee", *sections * 3])
        old = state[field]
        new = self._other_value(rng, at, field, old)
        return Change(at, rng.randrange(len(self.users)), field, old, new)

    def _other_value(self, rng: Random, at: int, field: Field, old: Any) -> Any:
        if field == "completed":
            return not old
        if field == "due_on":
            return None if old and rng.random() < 1 / 4 else _other(old, lambda: day(rng, at))
        if field == "name":
            return _other(old, lambda: title(rng))
        if field == "assignee":
            users = len(self.users)
            unassign = old is not None and rng.random() < 1 / 4
            return None if unassign else _other(old, lambda: rng.randrange(users))
        if field[0] == "section":
            return _next_section(rng, old)
        return filled(self.fields[int(field[1])], rng, self.users)


def _next_section(rng: Random, old: int | None) -> int | None:
    """Return the next section as a rule, sometimes another or none; in a new project, the first."""
    if old is None:
        return 0
    following = min(old + 1, len(SECTIONS) - 1)
    sections: list[int | None] = [*range(len(SECTIONS)), None, *[following] * 8]
    return rng.choice([section for section in sections if section != old])


def _other(old: Any, draw: Callable[[], Any]) -> Any:
    """Return the first draw that differs from a value."""
    return next(value for value in iter(draw, object()) if value != old)


def day(rng: Random, around: int) -> str:
    """Return a date from 20 days before a time to 90 after it."""
    date = datetime.fromtimestamp(around // 1000, UTC) + timedelta(days=rng.randrange(-20, 90))
    return date.date().isoformat()
