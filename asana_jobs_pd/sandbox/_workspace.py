"""A workspace of people, projects and custom fields, from which exports draw their rows."""

from __future__ import annotations

from random import Random
from typing import Any

from . import _names as names
from ._custom_fields import definitions, filled

Json = dict[str, Any]


class Workspace:
    """People, teams, tags, portfolios and projects, all decided by a seed."""

    def __init__(self, seed: str) -> None:
        self.rng = rng = Random(seed)
        self.itself = self.resource("workspace", "Acme Café GmbH")
        self.users = [self.resource("user", names.person(rng)) for _ in range(40)]
        self.teams = [self.resource("team") for _ in range(6)]
        self.tags = [self.resource("tag") for _ in range(12)]
        self.portfolios = [self.resource("portfolio") for _ in range(6)]
        self.projects = [self.resource("project") for _ in range(12)]
        titles = ("To do", "Doing", "Done", "Später")
        self.sections = {
            project["gid"]: [self.resource("section", title) for title in titles]
            for project in self.projects
        }
        self.fields = definitions(rng)
        self._fields_of = {
            project["gid"]: sorted(rng.sample(range(len(self.fields)), len(self.fields) - 3))
            for project in self.projects
        }

    def resource(self, resource_type: str, name: str | None = None) -> Json:
        """Make something new, in its compact form."""
        return {
            "gid": names.gid(self.rng),
            "resource_type": resource_type,
            "name": names.title(self.rng) if name is None else name,
        }

    def custom_fields(self, project: Json, users: list[Json]) -> list[Json]:
        """Fill in the custom fields of a project, people from among these users."""
        chosen = self._fields_of[project["gid"]]
        return [filled(self.fields[place], self.rng, users) for place in chosen]

    def chance(self, share: float) -> bool:
        """Decide, true in that share of all cases."""
        return self.rng.random() < share

    def maybe(self, items: list[Json], share: float = 0.7) -> Json | None:
        """Return one of them, or None."""
        return self.rng.choice(items) if self.chance(share) else None

    def some(self, items: list[Json], most: int = 3) -> list[Json]:
        """Return up to so many of them, perhaps none."""
        return self.rng.sample(items, self.rng.randint(0, most))

    def day(self) -> str:
        """Make a date."""
        rng = self.rng
        return f"{rng.randint(2016, 2026)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"

    def moment(self) -> str:
        """Make a timestamp, with a fraction of a second or, every fourth, without."""
        rng = self.rng
        fraction = f".{rng.randrange(1000):03d}" if self.chance(3 / 4) else ""
        clock = f"{rng.randrange(24):02d}:{rng.randrange(60):02d}:{rng.randrange(60):02d}"
        return f"{self.day()}T{clock}{fraction}Z"
