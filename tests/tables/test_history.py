"""`data.history()`: what the stories say is what happened in the generated world."""

import itertools

import pandas as pd
import pytest
from rows import task

from asana_jobs_pd.errors import AsanaValueWarning, InvalidFieldError, InvalidFrameError
from asana_jobs_pd.sandbox._workspace import VALUES
from asana_jobs_pd.sandbox._world import CHANGING, World
from asana_jobs_pd.sandbox._world_rows import resource_rows

CREATED = "2026-01-01T00:00:00Z"
ANA, BO = {"gid": "91", "name": "Ana"}, {"gid": "92", "name": "Bo"}


def story(subtype, at, **more):
    at = f"2026-01-{at:02d}T00:00:00Z"
    return {"gid": f"8{at}", "resource_subtype": subtype, "created_at": at, "created_by": BO} | more


def one(load, stories, **more):
    """Load one task with stories."""
    fields = {"created_at": CREATED, "created_by": ANA, "memberships": [], "assignee": None}
    return load([task("1", stories=stories, **(fields | more))])


def shown(history, *columns):
    return list(
        history[list(columns)]
        .astype(object)
        .where(history.notna(), None)
        .itertuples(index=False, name=None)
    )


def time(millis):
    return None if millis is None else pd.Timestamp(millis, unit="ms", tz="UTC")


def expected(world, field, value=lambda value: value):
    """Return the intervals of all visible tasks, those with the same value as one."""
    rows = []
    for number in filter(world.is_visible, range(world.tasks)):
        last = None
        for interval in world.task(number).intervals(field):
            row = (world.gid("task", number), value(interval.value), time(interval.start))
            if last is not None and last[1] == row[1] and last[0] == row[0]:
                continue
            rows.append(row)
            last = row
    return rows


@pytest.mark.parametrize("seed", range(2))
def test_a_replay_is_what_happened(seed, load):
    world = World(seed, 80)
    data = load(resource_rows(world, "task"))
    assert shown(data.history("completed"), "task", "value", "from") == expected(world, "completed")
    assert shown(data.history("assignee"), "task", "value.gid", "from") == expected(
        world, "assignee", lambda user: None if user is None else world.gid("user", user)
    )
    for field, every in (("due_on", 1), ("start_on", 3)):  # a third of the tasks has a start
        due = expected(world, "due_on", lambda day: None if day is None else pd.Timestamp(day))
        dated = {world.gid("task", number) for number in range(0, world.tasks, every)}
        history = data.history(field)
        found = shown(history[history["task"].isin(dated)], "task", "value", "from")
        assert found == [row for row in due if row[0] in dated]
        assert history.loc[~history["task"].isin(dated), "value"].isna().all()
    assert shown(data.history("name"), "task", "value", "from") == expected(world, "name")


SHOWN = {
    "enum": lambda option: option["name"],
    "multi_enum": lambda options: ", ".join(option["name"] for option in options) or None,
    "people": lambda people: ", ".join(person["name"] for person in people) or None,
    "date": lambda date: pd.Timestamp(date["date"]),
}


@pytest.mark.parametrize("seed", range(2))
def test_a_replay_of_custom_fields_is_what_happened(seed, load):
    world = World(seed, 80)
    data = load(resource_rows(world, "task"))
    fields = [field for field in enumerate(world.fields) if field[1]["type"] in CHANGING]
    for number, definition in fields:
        kind = definition["type"]

        def value(field, kind=kind):
            found = field and field[VALUES[kind]]
            return None if found is None else SHOWN.get(kind, lambda same: same)(found)

        found = shown(data.history(definition["gid"]), "task", "value", "from")
        assert found == expected(world, ("field", number), value)
    assert {definition["type"] for _, definition in fields} == set(CHANGING)


@pytest.mark.parametrize("seed", range(2))
def test_sections_are_replayed_for_each_project(seed, load):
    world = World(seed, 80)
    history = load(resource_rows(world, "task")).history("section")
    found = set(shown(history, "task", "project", "value.gid", "from", "to"))
    for number in range(world.tasks):
        events = world.task(number)
        for field in {c.field for c in events.changes if isinstance(c.field, tuple)}:
            kind, project = field
            intervals = events.intervals(field) if kind == "section" else []
            for place, interval in enumerate(intervals):
                later = intervals[place + 1 : place + 2]
                if interval.value is None and place == 0:
                    continue
                gone = interval.value == 0 and later and later[0].value is None
                section = interval.value is not None and not gone
                gid = world.section(project, interval.value)["gid"] if section else None
                row = (world.gid("task", number), world.gid("project", project), gid)
                if not gone and not (place and interval.value is None and intervals[place - 1]):
                    assert (*row, time(interval.start), time(interval.to)) in found


def test_intervals_follow_each_other_and_end_with_the_last_state(world, resource):
    for field in ("section", "assignee", "completed", "due_on", "Cost"):
        history = resource.history(field)
        keys = ["task", "project"] if field == "section" else ["task"]
        later = history.groupby(keys, sort=False)["from"].shift(-1)
        assert later.equals(history["to"]) or (later.isna() == history["to"].isna()).all()
        assert (later.dropna() == history["to"].dropna()).all()
        assert not history.groupby(keys)["to"].apply(lambda ends: ends.isna().sum() != 1).any()
        assert (history["from"] < history["to"].fillna(pd.Timestamp("2030", tz="UTC"))).all()
    last = resource.history("assignee").query("to.isna()").set_index("task")["value.gid"]
    assert last.equals(resource["task"].set_index("gid")["assignee.gid"].rename_axis("task")) or (
        last.fillna("").tolist() == resource["task"]["assignee.gid"].fillna("").tolist()
    )


def test_stories_that_do_not_reach_back_say_so(load):
    data = one(load, [story("unassigned", 3)])
    history = data.history("assignee")
    assert shown(history, "value", "origin") == [(None, "unknown"), (None, "story")]
    data = one(load, [], assignee=ANA)
    assert shown(data.history("assignee"), "value", "origin") == [("Ana", "unknown")]
    web, doing = {"gid": "9", "name": "Web"}, {"gid": "10", "name": "Doing"}
    data = one(load, [], memberships=[{"project": web, "section": doing}])
    assert shown(data.history("section"), "project", "value", "origin") == [
        ("9", "Doing", "unknown")
    ]
    data = one(load, [story("marked_incomplete", 4)], completed=False)
    assert shown(data.history("completed"), "value", "origin") == [
        (True, "unknown"),
        (False, "story"),
    ]


def test_tasks_without_stories_say_so(load):
    """A graph export has none: nothing is known of what such a task was created with."""
    rows = [
        task("1", stories=None, due_on="2026-01-05", created_at=CREATED, created_by=ANA),
        task("2", stories=[], due_on="2026-01-06", created_at=CREATED, created_by=ANA),
    ]
    history = load(rows).history("due_on")
    assert shown(history, "task", "by", "origin") == [
        ("1", None, "unknown"),
        ("2", "91", "creation"),
    ]


def test_a_task_that_left_a_project_was_in_it(load):
    web = {"gid": "9", "name": "Web"}
    history = one(load, [story("removed_from_project", 4, project=web)]).history("section")
    assert shown(history, "value", "origin") == [(None, "unknown"), (None, "story")]


WEB, TO_DO, DOING, DONE = (
    {"gid": gid, "name": name}
    for gid, name in (("9", "Web"), ("10", "To do"), ("11", "Doing"), ("12", "Done"))
)


@pytest.mark.parametrize("keys", [{}, {"project": WEB}])
def test_a_project_follows_from_its_sections(keys, load):
    """Stories that move a task name the project, or only the sections, one of them known."""
    moves = [
        story("section_changed", day, old_section=old | keys, new_section=new | keys)
        for day, old, new in ((3, TO_DO, DOING), (5, DOING, DONE))
    ]
    memberships = [{"project": WEB, "section": DONE}]
    data = one(load, [story("added_to_project", 2, project=WEB), *moves], memberships=memberships)
    assert shown(data.history("section"), "project", "value", "origin") == [
        ("9", "To do", "story"),
        ("9", "Doing", "story"),
        ("9", "Done", "story"),
    ]


def test_sections_have_their_present_names(load):
    before = story("section_changed", 3, project=WEB, old_section=TO_DO, new_section=DOING)
    now = {"project": WEB, "section": DOING | {"name": "In progress"}}
    history = one(load, [before], memberships=[now]).history("section")
    assert shown(history, "value") == [("To do",), ("In progress",)]


@pytest.mark.parametrize("status", ["approved", "rejected", "changes_requested"])
def test_an_approval_is_completed_with_any_decision(status, load):
    undone = {"old_approval_status": status, "new_approval_status": "pending"}
    stories = [
        story(status, 3, old_approval_status="pending", new_approval_status=status),
        story("approval_status_changed", 4, **undone),
        story(
            "approval_status_changed", 5, old_approval_status="pending", new_approval_status=status
        ),
    ]
    history = one(load, stories, completed=True).history("completed")
    assert shown(history, "value") == [(False,), (True,), (False,), (True,)]


@pytest.mark.parametrize(
    "dates",
    [
        {"due_on": "2026-02-01", "due_at": "2026-02-01T15:00:00Z"},
        {"due_at": "2026-02-01T15:00:00Z"},
        {"date": "2026-02-01"},
    ],
)
def test_dates_with_a_time_are_days(dates, load):
    launch = {"gid": "5", "name": "Launch", "type": "date"}
    change = {"custom_field": launch, "old_date_value": None, "new_date_value": dates}
    stories = [story("date_custom_field_changed", 3, **change)]
    if "date" not in dates:
        stories.append(story("due_date_changed", 3, old_dates=None, new_dates=dates))
    values = [launch | {"date_value": {"date": "2026-02-01", "date_time": None}}]
    data = one(load, stories, due_on="2026-02-01" if stories[1:] else None, custom_fields=values)
    for field in ["Launch"] + ["due_on"] * len(stories[1:]):
        assert shown(data.history(field), "value") == [(None,), (pd.Timestamp("2026-02-01"),)]


def test_people_are_distinguished_by_gid_and_need_no_name(load):
    owners = {"gid": "6", "name": "Owners", "type": "people"}
    other, nameless = {"gid": "93", "name": "Ana"}, {"gid": "94", "name": None}
    steps = [[], [ANA], [other], [ANA, BO], [nameless]]
    stories = [
        story(
            "people_custom_field_changed",
            day + 2,
            custom_field=owners,
            old_people_value=old,
            new_people_value=new,
        )
        for day, (old, new) in enumerate(itertools.pairwise(steps))
    ]
    history = one(load, stories, custom_fields=[owners | {"people_value": [nameless]}])
    values = [value for (value,) in shown(history.history("Owners"), "value")]
    assert values == [None, "Ana", "Ana", "Ana, Bo", "94"]


def test_an_emptied_text_is_missing(load):
    note = {"gid": "1", "name": "Note", "type": "text"}
    change = {"custom_field": note, "old_text_value": "a", "new_text_value": ""}
    stories = [story("text_custom_field_changed", 3, **change)]
    history = one(load, stories, custom_fields=[note | {"text_value": None}]).history("Note")
    assert shown(history, "value") == [("a",), (None,)]


def test_by_is_who_began_an_interval(load):
    data = one(load, [story("assigned", 3, assignee=ANA)], assignee=ANA)
    history = data.history("assignee")
    assert shown(history, "value", "by", "origin") == [
        (None, "91", "creation"),
        ("Ana", "92", "story"),
    ]


def test_stories_in_any_order_and_at_the_same_time(load):
    stories = [
        story("assigned", 5, assignee=BO),
        story("assigned", 3, assignee=ANA),
        story("assigned", 5, assignee=ANA),
    ]
    history = one(load, stories, assignee=ANA).history("assignee")
    assert shown(history, "value") == [(None,), ("Ana",)]


def test_a_story_before_the_creation_moves_it(load):
    stories = [story("marked_complete", 3)]
    data = one(load, stories, completed=True, created_at="2026-01-09T00:00:00Z")
    assert shown(data.history("completed"), "value", "from") == [
        (True, pd.Timestamp("2026-01-03", tz="UTC"))
    ]


def test_unknown_and_contradicting_stories_are_reported(load):
    stories = [story("teleported", 2), story("assigned", 3, assignee=ANA)]
    with pytest.warns(AsanaValueWarning, match=r"teleported \(1\)") as caught:
        one(load, stories, assignee=ANA).history("assignee")
    assert len(caught) == 1
    with pytest.warns(AsanaValueWarning, match="disagrees with the task, such as 1"):
        one(load, [story("marked_complete", 3)], completed=False).history("completed")
    stories = [story("marked_complete", 3), story("marked_incomplete", 4, created_at=None)]
    with pytest.warns(AsanaValueWarning, match="without a time were not taken into account: 1"):
        one(load, stories, completed=True).history("completed")
    stories = [
        story("name_changed", 3, old_name="A", new_name="B"),
        story("name_changed", 4, old_name="X", new_name="C"),
    ]
    with pytest.warns(AsanaValueWarning, match="contradict each other in 1 case"):
        one(load, stories, name="C").history("name")


def test_a_load_without_stories_says_where_they_are(graph, load):
    with pytest.raises(InvalidFrameError, match=r"'stories'.*resource exports"):
        graph.history("section")
    data = load([task("1", memberships=[], stories=[])], columns=["gid", "stories"])
    with pytest.raises(InvalidFrameError, match="'created_at'"):
        data.history("section")
    untold = {"gid": "8", "resource_subtype": "marked_complete", "text": "done"}
    data = one(load, [untold], completed=True)
    with pytest.raises(InvalidFrameError, match=r"add 'stories\.created_at'"):
        data.history("completed")
    data = one(load, [story("name_changed", 3)], name="B")
    with pytest.raises(InvalidFrameError, match=r"add 'stories\.new_name'"):
        data.history("name")


def test_an_export_of_some_fields_says_all_that_is_missing_at_once(load):
    """Another export takes long: nobody should need one for each column."""
    data = load([task("1")], columns=["gid", "name"])
    for answer, columns in {
        data.time_in: "'created_at', 'stories', 'memberships', 'completed_at'",
        lambda: data.history("assignee"): "'created_at', 'stories', 'assignee.gid'",
        lambda: data.cycle_time("Doing"): "'created_at', 'stories', 'completed', 'memberships'",
        lambda: data.burnup(project="1"): "'created_at', 'stories', 'completed', 'memberships'",
        data.burnup: "'created_at', 'stories', 'completed'",
    }.items():
        with pytest.raises(InvalidFrameError, match=f"the columns {columns}\\."):
            answer()


def test_unknown_and_ambiguous_fields_say_what_there_is(resource):
    with pytest.raises(
        InvalidFieldError, match=r"'sections' is not a field. Did you mean 'section'"
    ):
        resource.history("sections")
    with pytest.raises(InvalidFieldError, match=r"Did you mean 'Priority'.*section"):
        resource.history("Prioritaet")
    with pytest.raises(InvalidFieldError, match="2 custom fields are called 'Priority'"):
        resource.history("Priority")
    with pytest.raises(InvalidFieldError, match="'reference'"):
        resource.history("Related work")


def test_dtypes(resource, load):
    dtypes = resource.history("due_on").dtypes.astype(str)
    assert dtypes["from"] == dtypes["to"] == "datetime64[us, UTC]"
    assert dtypes["value"] == "datetime64[us]"
    assert resource.history("completed")["value"].dtype == "boolean"
    assert resource.history("section")["value"].dtype == "string"
    arrow = load(resource_rows(World(0, 50), "task"), dtype_backend="pyarrow")
    assert arrow.history("due_on")["value"].dtype == arrow["task"]["due_on"].dtype


def test_no_tasks_have_no_history(load):
    data = load([{"resource_type": "team", "gid": "1"}])
    with pytest.raises(InvalidFrameError):
        data.history("section")


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_without_times_and_projects_there_is_little_to_tell(load, backend):
    """No error: an empty history of sections, and intervals without a beginning."""
    stories = [story("assigned", 3, assignee=ANA)]
    rows = [
        task("1", created_at=None, completed_at=None, memberships=[], completed=False, stories=[]),
        task("2", created_at=CREATED, created_by=ANA, memberships=[], stories=stories),
    ]
    data = load(rows, dtype_backend=backend)
    assert data.history("section").empty
    assert data.flow().empty
    assert data.time_in().empty
    completed = data.history("completed")
    assert completed["from"].isna().tolist() == [True, False]
    assert (completed["to"] - completed["from"]).isna().all()
    assert data.burnup()["created"].tolist() == [1]
