"""``%asana_jobs``: read jobs with a line or cell magic."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import pandas as pd
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from asana_jobs_pd._cli.console import last_frame, split
from asana_jobs_pd._jobs.gids import parse_gids
from asana_jobs_pd._jobs.read import read_asana_jobs
from asana_jobs_pd._jobs.schema import NAMES
from asana_jobs_pd._monitor.wait import wait_asana_jobs
from asana_jobs_pd.errors import AsanaJobsError, InvalidOptionError, ReadInterrupted

_NAME = re.compile(r"\$([A-Za-z_]\w*)|\$\{([^{}]+)\}")
_TEXT = re.compile(r"[^\s{$]+|\$")
_BRACES = {"{": 1, "}": -1}


class Parser(argparse.ArgumentParser):
    """A parser for the line of a magic, which raises errors instead of exiting."""

    def error(self, message: str) -> NoReturn:
        """Raise an `InvalidOptionError`."""
        raise InvalidOptionError(f"{message}. {self.prog} --help lists the options.")


def split_words(text: str, look_up: Callable[[str], object]) -> list[Any]:
    """Return the words of a line, with ``{expression}`` and ``$name`` replaced by their values.

    A word that is just one of these becomes the value itself, such as a list, a Series or a
    frame. Inside a longer word, the value becomes text.
    """
    words: list[Any] = []
    parts: list[Any] = []
    position = 0
    while position <= len(text):
        if position == len(text) or text[position].isspace():
            if parts:
                words.append(parts[0] if len(parts) == 1 else "".join(map(str, parts)))
            parts, position = [], position + 1
        else:
            value, position = _part(text, position, look_up)
            parts.append(value)
    return words


def _part(text: str, start: int, look_up: Callable[[str], object]) -> tuple[object, int]:
    """Return the value of the expression, name or text at a position, and where it ends."""
    if match := _NAME.match(text, start):
        return look_up(match[1] or match[2]), match.end()
    if match := _TEXT.match(text, start):
        return match[0], match.end()
    depth = 0
    for end in range(start, len(text)):
        depth += _BRACES.get(text[end], 0)
        if not depth:
            return look_up(text[start + 1 : end]), end + 1
    raise InvalidOptionError(f"The brace in {text[start:]!r} is never closed.")


def texts_of(values: Iterable[object]) -> list[object]:
    """Flatten values: split texts at commas, and take the gids of frames."""
    flat: list[object] = []
    for value in values:
        if isinstance(value, pd.DataFrame):
            flat += parse_gids(value)
        elif isinstance(value, str):
            flat += split(value)
        elif isinstance(value, Iterable):
            flat += texts_of(value)
        else:
            flat.append(value)
    return flat


OPTIONS = ("--fields", "--into", "--wait", "--watch", "--errors", "--help")
ERRORS = ("raise", "coerce", "drop")
_VALUE = "\0"
_EPILOG = """\
examples:
  jobs = %asana_jobs 12080000000004806 12080000000004913
  %asana_jobs {gids} --fields status,new_task.name --into jobs
  %asana_jobs $jobs --wait --into jobs

As a cell magic it takes one gid per line; a # starts a comment:
  %%asana_jobs --watch
  12080000000004806  # the export
  12080000000004913

{expression} and $name are replaced by their values: gids, lists, Series, or frames of jobs.
The token is the one of asana_jobs_pd.connect(), or is read from ASANA_ACCESS_TOKEN, the keyring,
or a prompt.
"""


@magics_class
class AsanaMagics(Magics):
    """The magic of ``%load_ext asana_jobs_pd``."""

    @no_var_expand
    @line_cell_magic
    def asana_jobs(self, line: str, cell: str | None = None) -> object:
        """Read Asana's asynchronous jobs as a DataFrame; see ``%asana_jobs --help``."""
        try:
            options = self._parse(line, cell)
            return None if options is None else self._run(options)
        except AsanaJobsError as error:
            message = str(error)
        raise UsageError(message)

    def _parse(self, line: str, cell: str | None) -> argparse.Namespace | None:
        parser = _parser()
        words = split_words(line, self._look_up)
        texts = [
            word if isinstance(word, str) else f"{_VALUE}{index}"
            for index, word in enumerate(words)
        ]
        if "-h" in texts or "--help" in texts:
            print(parser.format_help())
            return None

        def values(names: Sequence[str]) -> list[object]:
            return texts_of(words[int(n[1:])] if n.startswith(_VALUE) else n for n in names)

        options = parser.parse_intermixed_args(texts)
        lines = "\n".join(part.partition("#")[0] for part in (cell or "").splitlines())
        options.gids = values(options.gids) + texts_of(split_words(lines, self._look_up))
        options.fields = values(options.fields) or None
        if options.into is not None:
            options.into = str(values([options.into])[0])
            if not options.into.isidentifier():
                raise InvalidOptionError(f"--into {options.into}: not a valid variable name.")
        if not options.gids and cell is None:
            raise InvalidOptionError("Give at least one gid; see %asana_jobs --help.")
        return options

    def _run(self, options: argparse.Namespace) -> object:
        jobs: pd.DataFrame | None = None
        try:
            jobs = read_asana_jobs(options.gids, options.fields, errors=options.errors)
            if options.wait:
                jobs = wait_asana_jobs(jobs, errors=options.errors)
        except (AsanaJobsError, ReadInterrupted) as error:
            jobs = last_frame(error, jobs)
            raise
        finally:
            if options.into is not None and jobs is not None:
                self._shell.user_ns[options.into] = jobs
        if options.watch:
            return jobs.asana.watch()
        return jobs if options.into is None else None

    def _look_up(self, expression: str) -> object:
        try:
            return eval(expression, self._shell.user_global_ns, self._shell.user_ns)  # noqa: S307  the user's own
        except Exception as error:  # noqa: BLE001  the expression may raise anything
            message = f"{type(error).__name__}: {error}"
        raise InvalidOptionError(f"{{{expression}}} has no value: {message}.")

    @property
    def _shell(self) -> InteractiveShell:
        assert self.shell is not None
        return self.shell


def load(shell: InteractiveShell) -> None:
    """Register the magic, and the completion of its options and fields."""
    shell.register_magics(AsanaMagics)
    shell.set_hook("complete_command", _complete, re_key=r"%?%?asana_jobs")  # type: ignore[no-untyped-call]


def _parser() -> Parser:
    parser = Parser(
        prog="%asana_jobs",
        description="Read Asana's asynchronous jobs as a DataFrame.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    add = parser.add_argument
    add("gids", nargs="*", metavar="GID", help="job gids, separated by spaces or commas")
    add(
        "--fields",
        action="append",
        default=[],
        metavar="F,F,…",
        help="fields to read, such as status,new_task.name (default: all)",
    )
    add("--wait", action="store_true", help="wait until all jobs are finished")
    add("--watch", action="store_true", help="show the jobs live in a widget")
    add("--into", metavar="NAME", help="assign the frame to this variable instead of showing it")
    add(
        "--errors",
        choices=ERRORS,
        default="coerce",
        help="jobs that cannot be read: fail, keep their rows (default), or drop them",
    )
    add("--help", "-h", action="store_true", help="show this help")
    return parser


def _complete(_: Any, event: Any) -> list[str]:
    """Complete options, and fields after --fields or a comma."""
    before = event.line[: len(event.text_until_cursor)] if event.text_until_cursor else event.line
    *rest, last = before.split(" ")
    if rest and rest[-1] == "--fields":
        return [name for name in NAMES if name.startswith(last.rpartition(",")[2])]
    if rest and rest[-1] == "--errors":
        return [name for name in ERRORS if name.startswith(last)]
    return [name for name in OPTIONS if name.startswith(last)]
