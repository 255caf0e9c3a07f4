"""What is different between two exports: frames by type of row, and the questions people have."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np
import pandas as pd

from asana_jobs_pd._exports.by_type import ByType
from asana_jobs_pd._exports.frames import TEXT
from asana_jobs_pd._exports.views import finished, moves, reassignments, reschedules

__all__ = ["ExportComparison"]


class ExportComparison(ByType[pd.DataFrame]):
    """What was added, removed and changed, by `resource_type`; made by `compare_asana_exports`.

    Each frame has a row for each object that was added or removed, and for each cell that changed:

    - `gid`, `name`: the object, as the new export calls it;
    - `change`: ``"added"``, ``"removed"`` or ``"changed"``, a category;
    - `column`: of a changed cell, as the new export calls it; missing for added and removed;
    - `before`, `after`: as text, whatever the dtype: times in ISO 8601 (UTC), numbers in their
      shortest form, ``true`` and ``false``, lists as JSON; missing where nothing was. Of a row
      without a gid, a link, all that it says, as JSON.

    All but `change` are `string`. Added rows come first, in the order of the new export, then the
    removed ones in that of the old one, then the changed ones in that of the new.

    Attributes
    ----------
    custom_fields : pandas.DataFrame
        The same for the definitions of custom fields, matched by gid: a new name, another type,
        other options. Empty when neither side has a catalogue.
    """

    _absent = "is in neither export"

    def __init__(
        self,
        frames: dict[str, pd.DataFrame],
        unchanged: Mapping[str, int],
        custom_fields: pd.DataFrame,
    ) -> None:
        super().__init__(frames)
        self._unchanged = dict(unchanged)
        self.custom_fields = custom_fields

    @property
    def closed(self) -> pd.DataFrame:
        """What was completed in between: `resource_type`, `gid`, `name`, `completed_at`."""
        return finished(self._frames, "true")

    @property
    def reopened(self) -> pd.DataFrame:
        """What was completed and no longer is; as `closed`, with the earlier `completed_at`."""
        return finished(self._frames, "false")

    @property
    def moved(self) -> pd.DataFrame:
        """Tasks in another project or section, one row a project.

        `gid`, `name`, `move` (a category: ``"added"`` to the project, ``"removed"`` from it, or
        ``"section"``), `project.gid`, `project.name`, `section.before`, `section.after`. Where an
        export has no `memberships`, `projects` says it, and sections are missing.
        """
        return moves(self._frames)

    @property
    def rescheduled(self) -> pd.DataFrame:
        """What has other dates: one row a column of `due_on`, `due_at`, `start_on`, `start_at`.

        `resource_type`, `gid`, `name`, `column`, `before` and `after` as `datetime64[us, UTC]`
        (dates at midnight), and `days` between them, `Float64`; missing where one is.
        """
        return reschedules(self._frames)

    @property
    def reassigned(self) -> pd.DataFrame:
        """What has another assignee.

        `resource_type`, `gid`, `name`, `before.gid`, `before.name`, `after.gid`, `after.name`.
        """
        return reassignments(self._frames)

    def summary(self) -> pd.DataFrame:
        """Return how much is different, one row a type of row.

        Returns
        -------
        pandas.DataFrame
            Indexed by `resource_type`, all `int64`: `added`, `removed`, `changed`, `unchanged`
            objects; of those that changed, `closed`, `reopened`, `moved`, `rescheduled`,
            `reassigned`.
        """
        names = list(self._frames)
        index = pd.Index(names, name="resource_type", dtype=TEXT)
        columns = {
            change: [_objects(frame, change) for frame in self._frames.values()]
            for change in ("added", "removed", "changed")
        }
        columns["unchanged"] = [self._unchanged.get(name, 0) for name in names]
        for view in ("closed", "reopened", "moved", "rescheduled", "reassigned"):
            gids = getattr(self, view).drop_duplicates(["resource_type", "gid"])
            counts = gids["resource_type"].value_counts()
            columns[view] = [int(counts.get(name, 0)) for name in names]
        return pd.DataFrame(columns, index=index).astype(np.int64)

    def columns_changed(self) -> pd.DataFrame:
        """Return how many cells changed in each column, the most first in each type of row.

        Returns
        -------
        pandas.DataFrame
            `resource_type`, `column`, `changes` (`int64`).
        """
        counts = [
            (name, column, count)
            for name, frame in self._frames.items()
            for column, count in frame["column"].value_counts().items()
        ]
        found = pd.DataFrame(counts, columns=["resource_type", "column", "changes"])
        return found.astype({"resource_type": TEXT, "column": TEXT, "changes": np.int64})

    def __repr__(self) -> str:
        words = ", ".join(
            f"{name} +{_objects(frame, 'added'):,} -{_objects(frame, 'removed'):,} "
            f"~{_objects(frame, 'changed'):,}"
            for name, frame in self._frames.items()
        )
        return f"<ExportComparison: {words or 'nothing to compare'}>"

    def _repr_html_(self) -> str:
        fields = self.custom_fields["gid"].nunique()
        words = f"{fields} custom field{'s' * (fields != 1)} differ{'s' * (fields == 1)}"
        return f"{self.summary().to_html(escape=True)}<p>{escape(words)}, see .custom_fields</p>"


def _objects(frame: pd.DataFrame, change: str) -> int:
    rows = frame[frame["change"] == change]
    return int(rows["gid"].nunique()) if change == "changed" else len(rows)
