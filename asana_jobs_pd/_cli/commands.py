"""The commands by name, and ``asana-jobs completion SHELL``, which completes them in a shell."""

from __future__ import annotations

import argparse
import importlib

from asana_jobs_pd._cli.console import SUCCESS, create_parser
from asana_jobs_pd.errors import require_extra

COMMANDS = {
    "read": "read_command.read_parser",
    "watch": "watch_command.watch_parser",
    "export": "export_command.graph_parser",
    "export-resources": "export_command.resources_parser",
    "download": "download_command.download_parser",
    "recent": "recent_command.recent_parser",
    "completion": "commands.completion_parser",
}
"""The function that makes each command's parser; the parser's default ``run`` runs the command."""
_SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")
_EPILOG = """\
Bash:  echo 'eval "$(asana-jobs completion bash)"' >> ~/.bashrc
Zsh:   asana-jobs completion zsh > ~/.zfunc/_asana-jobs, with ~/.zfunc in $fpath
Fish:  asana-jobs completion fish > ~/.config/fish/completions/asana-jobs.fish

It needs shtab: pip install 'asana_jobs_pd[completion]'.
Exit codes: 0 success, 2 invalid usage.
"""


def parser_of(command: str) -> argparse.ArgumentParser:
    """Return the parser of a command, importing only what the command needs."""
    module, function = COMMANDS[command].split(".")
    parser: argparse.ArgumentParser = getattr(
        importlib.import_module(f"asana_jobs_pd._cli.{module}"), function
    )()
    return parser


def completion_parser() -> argparse.ArgumentParser:
    """Return the parser of ``asana-jobs completion``."""
    parser = create_parser(
        "asana-jobs completion", "Print a script that completes commands and options.", _EPILOG
    )
    parser.add_argument("shell", choices=_SHELLS, help="the shell that reads the script")
    parser.set_defaults(run=_complete)
    return parser


def _complete(options: argparse.Namespace, _: argparse.ArgumentParser) -> int:
    shtab = require_extra("shtab", "completion", "Shell completion needs shtab")
    paths = {"DIR": shtab.DIRECTORY, "FILE": shtab.FILE}
    main_parser = argparse.ArgumentParser("asana-jobs")  # shtab needs all commands in one parser
    commands = main_parser.add_subparsers()
    for name in COMMANDS:
        parser = parser_of(name)
        text = (parser.description or "").partition(".")[0].replace("\n", " ")
        commands.add_parser(name, parents=[parser], add_help=False, help=text)
        for action in parser._actions:  # noqa: SLF001  shtab, too, reads them
            if action.metavar in paths:
                action.complete = paths[action.metavar]  # type: ignore[attr-defined]
            if name == "read" and action.option_strings and action.dest != "help":
                main_parser._add_action(action)  # noqa: SLF001  its name may be left out
    print(shtab.complete(main_parser, options.shell))
    return SUCCESS
