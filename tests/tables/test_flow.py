"""What follows from history, compared with counts over the generated world."""

import itertools

import pandas as pd
import pytest
from rows import task

from asana_jobs_pd.errors import InvalidFrameError, InvalidOptionError
from asana_jobs_pd.sandbox._world import SECTIONS
from asana_jobs_pd.sandbox._world_rows import resource_rows

DAYS = ("2024-03-01", "2025-01-15", "2025-12-31")


def alive(world, field, day):
    """Yield the values that fields of visible tasks had at the end of a day."""
    end = pd.Timestamp(day, tz="UTC") + pd.Timedelta(days=1)
    for number in filter(world.is_visible, range(world.tasks)):
        task = world.task(number)
        fields = {each for each in task.last if each == field or each[0] == field}
        for each in fields:
            if field == "section" and each[1] in world.hidden:
                continue
            for interval in task.intervals(each):
                start, to = (
                    value and pd.Timestamp(value, unit="ms", tz="UTC")
                    for value in (interval.start, interval.to)
                )
                if start < end and (to is None or to >= end):
                    yield interval.value


def test_flow_counts_tasks_at_the_end_of_each_day(world, resource):
    flow = resource.flow("assignee")
    for day in DAYS[:2]:
        expected = pd.Series(list(alive(world, "assignee", day))).dropna().astype(int)
        names = expected.map(lambda number: world.users[number]["name"]).value_counts()
        found = flow.loc[day]
        assert found[found > 0].to_dict() == names.to_dict()


def test_flow_of_sections_goes_by_project(world, resource):
    project = world.projects[0]
    flow = resource.flow(project=project["name"])
    assert flow.equals(resource.flow(project=project["gid"]))
    last = resource["task"].explode("memberships")["memberships"]
    known = [each for each in last if isinstance(each, dict)]
    now = [each["section"]["name"] for each in known if each["project"]["gid"] == project["gid"]]
    assert flow.iloc[-1][flow.iloc[-1] > 0].to_dict() == pd.Series(now).value_counts().to_dict()
    assert flow.columns[0] == "To do"


def test_burnup_counts_what_there_is_and_what_is_done(world, resource):
    burnup = resource.burnup()
    for day in DAYS[:2]:
        values = list(alive(world, "completed", day))
        assert burnup.loc[day].tolist() == [len(values), sum(values)]
    assert burnup["created"].iloc[-1] == len(resource["task"])
    assert burnup["completed"].iloc[-1] == resource["task"]["completed"].sum()
    weekly = resource.burnup(freq="W", project=world.projects[0]["gid"])
    assert (weekly.index.day_of_week == 6).all()


@pytest.mark.parametrize("field", ["due_on", "section", "completed", "Launch"])
def test_arrow_types_are_counted_alike(field, world, load):
    rows = list(resource_rows(world, "task"))[:40]
    flow, arrow = load(rows).flow(field), load(rows, dtype_backend="pyarrow").flow(field)
    assert (flow.to_numpy() == arrow.to_numpy()).all()
    assert flow.columns.astype(str).tolist() == arrow.columns.astype(str).tolist()


def test_days_end_by_the_clocks_of_a_zone(resource):
    utc, tokyo = resource.burnup(), resource.burnup(tz="Asia/Tokyo")
    assert not utc.equals(tokyo)
    assert utc["created"].iloc[-1] == tokyo["created"].iloc[-1]


def stays(world, end, *, until):
    """Return how many milliseconds tasks were in sections, and whether their time has ended."""
    spent = {}
    for number in filter(world.is_visible, range(world.tasks)):
        task = world.task(number)
        done = [change.at for change in task.changes if change.field == "completed"]
        stop = done[-1] if task.last["completed"] and until == "completion" else None
        for project in {each[1] for each in task.last if each[0] == "section"} - world.hidden:
            intervals = task.intervals(("section", project))
            values = [None, *(interval.value for interval in intervals), -1]
            for place, (value, start, to, _) in enumerate(intervals):
                last = min(time for time in (to, stop, end) if time is not None)
                untold = values[place] is None and values[place + 2] is None  # added, and removed
                if value is not None and last > start and not untold:
                    key = world.gid("task", number), world.gid("project", project), SECTIONS[value]
                    time, ended = spent.get(key, (0, True))
                    ended &= to is not None or stop is not None
                    spent[key] = time + last - start, ended
    return spent


@pytest.mark.parametrize("until", ["completion", "export"])
def test_time_in_sections_ends_with_the_completion_or_the_export(world, resource, until):
    """A completed task that stays in its section collects no time there."""
    times = resource.time_in("section", until=until)
    latest = max(resource[kind]["modified_at"].max() for kind in ("task", "message"))
    expected = stays(world, latest.value // 10**6, until=until)
    millis = times["time"] // pd.Timedelta(milliseconds=1)
    keys = zip(times["task"], times["project"], times["value"], strict=True)
    assert dict(zip(keys, zip(millis, times["ended"], strict=True), strict=True)) == expected
    assert times.equals(resource.time_in()) == (until == "completion")


def test_time_in_sections_has_names_and_the_order_of_work(world, resource):
    times = resource.time_in("section")
    tables = resource.tables()
    for kind in ("task", "project"):
        names = times[kind].map(tables[kind].set_index("gid")["name"])
        assert (times[f"{kind}.name"] == names).all()
    for _, values in times.groupby("project")["value"]:
        places = values.map(SECTIONS.index)
        assert places.is_monotonic_increasing


def test_time_with_an_assignee_needs_no_project(resource):
    times = resource.time_in("assignee")
    assert list(times) == ["task", "task.name", "value", "time", "ended"]


def test_time_until_completion_needs_to_know_the_completion(world, load):
    columns = ["gid", "memberships", "stories", "created_at"]
    data = load(resource_rows(world, "task"), columns=columns)
    with pytest.raises(InvalidFrameError, match=r"completed_at.*until='export'"):
        data.time_in("section")
    assert len(data.time_in("section", until="export"))
    with pytest.raises(InvalidOptionError, match="until='done'"):
        data.time_in(until="done")


def test_cycle_time_is_from_a_section_or_the_creation_until_done(resource):
    cycles = resource.cycle_time()
    done = resource["task"].query("completed").set_index("gid")
    found = cycles.set_index("task")
    assert (found["completed"] == done["completed_at"].reindex(found.index)).all()
    assert (found["started"] == done["created_at"].reindex(found.index)).all()
    assert len(found) == len(done)
    review = resource.cycle_time("Review")
    assert 0 < len(review) < len(cycles)
    assert (review["time"] > pd.Timedelta(0)).all()
    with pytest.raises(InvalidOptionError, match=r"start='Rewiev'.*'Review'"):
        resource.cycle_time("Rewiev")


@pytest.mark.parametrize(
    "options", [{"project": "Nothing"}, {"tz": "Mars/Base"}, {"freq": "often"}]
)
def test_options_that_make_no_sense_are_refused(resource, options):
    with pytest.raises(InvalidOptionError, match=next(iter(options))):
        resource.flow(**options)


def test_sections_that_tasks_skip_keep_their_order(load):
    """Most tasks go from To do to Done at once: Review, which few reach, is still before Done."""
    web, day = {"gid": "9", "name": "Web"}, "2026-01-{:02}T00:00:00Z"
    names = {"To do": "10", "Review": "11", "Done": "12"}
    rows = []
    for number, way in enumerate([["To do", "Done"]] * 4 + [["To do", "Review", "Done"]]):
        sections = [{"gid": names[name], "name": name} for name in way]
        stories = [
            {
                "resource_subtype": "section_changed",
                "created_at": day.format(place + 2),
                "project": web,
                "old_section": old,
                "new_section": new,
            }
            for place, (old, new) in enumerate(itertools.pairwise(sections))
        ]
        members = [{"project": web, "section": sections[-1]}]
        times = {"created_at": day.format(1), "modified_at": day.format(9)}
        rows.append(task(str(number), stories=stories, memberships=members, **times))
    data = load(rows)
    assert data.flow().columns.tolist() == ["To do", "Review", "Done"]
    assert data.time_in(until="export")["value"].unique().tolist() == ["To do", "Review", "Done"]


@pytest.fixture
def pyplot():
    """Pictures that are not shown, and closed afterwards."""
    pytest.importorskip("matplotlib").use("agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    yield pyplot
    pyplot.close("all")


@pytest.mark.usefixtures("pyplot")
def test_pictures(resource):
    axes = resource.plot.flow("completed")
    assert len(axes.collections) == 2
    assert resource.plot.burnup(ax=axes) is axes
    assert [line.get_label() for line in axes.lines] == ["created", "completed"]
    assert axes.get_ylabel() == "tasks"
    lines = resource.plot.burnup(ls=":", lw=3).lines
    assert {(line.get_linestyle(), line.get_linewidth()) for line in lines} == {(":", 3)}


@pytest.mark.usefixtures("pyplot")
def test_the_colors_of_sections_differ_in_lightness(resource):
    axes = resource.plot.flow()
    areas = [area.get_facecolor()[0][:3] for area in axes.collections]
    lightness = [0.3 * red + 0.6 * green + 0.1 * blue for red, green, blue in areas]
    assert lightness == sorted(lightness)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["To do", "Doing", "Review", "Done"]
    axes = resource.plot.flow(colors=["red", "blue"], lw=2)
    assert axes.collections[0].get_linewidth() == [2]
    assert len({tuple(area.get_facecolor()[0]) for area in axes.collections}) == 2


def started(count, day="2026-01-01T08:00:00Z"):
    """Return rows of tasks that were assigned, each to somebody else."""
    who = [{"gid": str(50 + number), "name": f"Person {number}"} for number in range(count)]
    return [
        task(
            str(number),
            created_at=day,
            completed=False,
            assignee=person,
            stories=[{"resource_subtype": "assigned", "created_at": day, "assignee": person}],
            memberships=[],
            created_by=person,
            modified_at=day,
        )
        for number, person in enumerate(who)
    ]


@pytest.mark.usefixtures("pyplot")
def test_a_single_day_is_drawn(load):
    data = load(started(3))
    for axes in (data.plot.flow("assignee"), data.plot.burnup()):
        assert axes.dataLim.width == 1  # from none on the day before
        assert axes.dataLim.ymax == 3
        assert all(tick == int(tick) for tick in axes.get_yticks())


@pytest.mark.usefixtures("pyplot")
def test_a_legend_leaves_room_for_the_picture(load):
    axes = load(started(60)).plot.flow("assignee")
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert len(labels) == 25
    assert labels[-1] == "and 36 more"
    axes.figure.canvas.draw()
    assert axes.get_window_extent().height > axes.figure.bbox.height / 2


@pytest.mark.parametrize("field", ["section", "due_on"])
@pytest.mark.usefixtures("pyplot")
def test_without_values_a_picture_says_so(field, load):
    rows = [row | {"due_on": None} for row in started(2)]
    axes = load(rows).plot.flow(field)
    assert [text.get_text() for text in axes.texts] == ["no tasks"]


def test_nothing_is_counted_within_a_day(resource):
    for freq in ("h", None, 5):
        with pytest.raises(InvalidOptionError, match="of a day or more"):
            resource.flow(freq=freq)
