"""``%asana_jobs`` in real IPython: lines, cells, variables, completion, and errors in words."""

from __future__ import annotations

import pandas as pd
import pytest
from conftest import TOKEN

import asana_jobs_pd as aj
from asana_jobs_pd._cli.magic import split_words, texts_of
from asana_jobs_pd.errors import InvalidOptionError


@pytest.fixture
def run(shell, asana, monkeypatch, capsys):
    """Run cells against a sandbox; return the last expression's value and the output."""
    for name, value in asana.environ.items():
        monkeypatch.setenv(name, value)
    shell.run_line_magic("load_ext", "asana_jobs_pd")

    def run(code, **variables):
        shell.user_ns.update(variables)
        capsys.readouterr()
        result = shell.run_cell(code, store_history=False)
        out = capsys.readouterr()
        return result.result, out.out + out.err

    return run


def test_a_line_gives_a_frame(asana, run):
    """As an expression, and as the right side of an assignment."""
    gids = asana.gids(3)
    line = f"%asana_jobs {gids[0]},{gids[1]} --fields status,new_task.name {gids[2]}"
    frame, _ = run(line)
    assert list(frame.columns[:3]) == ["gid", "status", "new_task.name"]
    assert frame["gid"].tolist() == gids
    frame, _ = run(f"x = %asana_jobs {gids[0]}\nlen(x)")
    assert frame == 1


def test_a_cell_takes_gids_one_a_line(asana, run):
    """Comments and empty lines are left out; options stand in the first line."""
    gids = asana.gids(4)
    cell = (
        f"%%asana_jobs --fields status --fields resource_subtype {gids[0]}\n"
        f"{gids[1]}\n\n# no gid here\n{gids[2]}  # the second\n{{more}}\n"
    )
    frame, _ = run(cell, more=gids[3:])
    assert frame["gid"].tolist() == gids
    assert list(frame.columns[:3]) == ["gid", "status", "resource_subtype"]
    frame, _ = run("%%asana_jobs\n\n")
    assert len(frame) == 0


@pytest.mark.parametrize("how", ["{it}", "$it", "${it}"])
@pytest.mark.parametrize(
    "kind",
    [list, tuple, pd.Series, pd.Index, ",".join, "\n".join],
)
def test_variables_expand_to_gids(asana, run, how, kind):
    """Any container of gids expands, even one that prints in shortened form."""
    gids = asana.gids(3)
    frame, _ = run(f"%asana_jobs {how} --fields status", it=kind(gids))
    assert frame["gid"].tolist() == gids


def test_a_frame_an_int_and_parts_of_words_expand(asana, run):
    """A frame gives its gids, an int itself; inside a word a value is text."""
    one, two, three = asana.gids(3)
    jobs = pd.DataFrame({"gid": [one]})
    frame, _ = run(
        "%asana_jobs $jobs {number} {three[:4]}{three[4:]} --into {name} --fields {'sta' + 'tus'}\n"
        "mine",
        jobs=jobs,
        number=int(two),
        three=three,
        name="mine",
    )
    assert frame is None or list(frame["gid"]) == [one, two, three]
    assert run("mine")[0]["gid"].tolist() == [one, two, three]
    frame, _ = run("%asana_jobs {jobs['gid'].tolist()[0:1]} --fields {cols}", cols=["status"])
    assert list(frame.columns[:2]) == ["gid", "status"]


def test_into_assigns_and_shows_nothing(asana, run):
    """The frame goes into the variable."""
    shown, _ = run(f"%asana_jobs {asana.gids(1)[0]} --into jobs")
    assert shown is None
    assert len(run("jobs")[0]) == 1


def test_wait_waits(asana, run):
    """The frame has the final states."""
    gids = asana.gids(3)
    asana.finish(*gids)
    frame, _ = run("%asana_jobs {gids} --wait", gids=gids)
    assert frame["status"].tolist() == ["succeeded"] * 3


def test_errors_option(asana, run):
    """As in reading: a row by default; raised, what was read is in the variable all the same."""
    gid = asana.gids(1)[0]
    frame, _ = run(f"%asana_jobs {gid} 999")
    assert frame["error.status"].tolist() == [pd.NA, 404]
    frame, _ = run(f"%asana_jobs {gid} 999 --errors drop")
    assert frame["gid"].tolist() == [gid]
    _, said = run(f"%asana_jobs {gid} 999 --errors raise --into jobs")
    assert "UsageError: 1 of 2 jobs could not be read" in said
    assert run("jobs")[0]["gid"].tolist() == [gid, "999"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("12x", "'12x' is not a gid"),
        ("", "Give at least one gid"),
        ("12 --fields stat", "did you mean 'status'?"),
        ("12 --nope", "unrecognized arguments: --nope"),
        ("12 --fields", "expected one argument"),
        ("12 --errors ignore", "invalid choice: 'ignore'"),
        ("12 --into 1x", "--into 1x: not a valid variable name"),
        ("{nope}", "{nope} has no value: NameError"),
        ("{1 +", "never closed"),
        ("{1.5}", "1.5 is not a gid"),
    ],
)
def test_errors_are_one_line(asana, run, line, words):
    """No traceback; no request is made."""
    _, said = run(f"%asana_jobs {line}")
    assert words in said
    assert said.startswith("UsageError: ")
    assert "Traceback" not in said
    assert len(said.strip().splitlines()) == 1
    assert asana.stats.requests == 0


def test_a_refused_token_is_said_without_it(asana, run, monkeypatch):
    """The message says what to do and does not show the token."""
    monkeypatch.setenv("ASANA_ACCESS_TOKEN", TOKEN + "0")
    _, said = run("%asana_jobs 12")
    assert "401" in said
    assert "Traceback" not in said
    assert TOKEN not in said


def test_help_reads_well(run):
    """Purpose, options, examples; no internals."""
    shown, said = run("%asana_jobs --help")
    assert shown is None
    assert said.startswith("usage: %asana_jobs ")
    for words in ("--fields", "--wait", "--watch", "--into", "examples:", "%%asana_jobs", "$jobs"):
        assert words in said
    assert max(map(len, said.splitlines())) <= 100
    assert run("%%asana_jobs -h\n12")[1] == said


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("%asana_jobs 12 --fields sta", "status"),
        ("%asana_jobs 12 --fields status,new_task.n", "new_task.name"),
        ("%%asana_jobs --fields new_graph_export.d", "new_graph_export.download_url"),
        ("%asana_jobs 12 --w", "--wait"),
        ("%asana_jobs 12 --errors d", "drop"),
    ],
)
def test_options_and_fields_complete(shell, run, line, some):
    """After --fields the fields of a job, after a comma too; else the options."""
    from IPython.core.completer import provisionalcompleter

    shell.Completer.use_jedi = False  # which takes long to find nothing in a magic's line
    with provisionalcompleter():
        found = {match.text for match in shell.Completer.completions(line, len(line))}
    assert some in found


def test_loading_brings_nothing_else_and_works_twice(shell, run):
    """Repeating ``%load_ext`` does no harm."""
    shell.run_line_magic("reload_ext", "asana_jobs_pd")
    assert "asana_jobs" in shell.magics_manager.magics["line"]
    assert callable(aj.load_ipython_extension)


def test_words_keep_what_a_value_is():
    """A value alone stays itself; beside other characters it is text; braces nest."""
    values = {"x": [1, 2], "n": 7, "{'a': {'b': 1}}['a']": "deep"}
    words = split_words("a{n}b {x} $n {{'a': {'b': 1}}['a']} --o {n}", values.__getitem__)
    assert words == ["a7b", [1, 2], 7, "deep", "--o", 7]
    assert split_words("  ", values.__getitem__) == []
    with pytest.raises(InvalidOptionError, match="never closed"):
        split_words("{{n}", values.__getitem__)
    assert texts_of(["1,2", (3, ["4 5"]), pd.Series(["6"]), ""]) == ["1", "2", 3, "4", "5", "6"]
