"""``asana-jobs completion SHELL``: print the script that completes commands and options."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from asana_jobs_pd._cli import (
    download_command,
    export_command,
    read_command,
    recent_command,
    watch_command,
)
from asana_jobs_pd._cli.console import SUCCESS, create_parser
from asana_jobs_pd.errors import require_extra

_SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")
_EPILOG = """\
Bash:  echo 'eval "$(asana-jobs completion bash)"' >> ~/.bashrc
Zsh:   asana-jobs completion zsh > ~/.zfunc/_asana-jobs, with ~/.zfunc in $fpath
Fish:  asana-jobs completion fish > ~/.config/fish/completions/asana-jobs.fish

It needs shtab: pip install 'asana_jobs_pd[completion]'.
Exit codes: 0 success, 2 invalid usage.
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command and return the exit code."""
    shell = command_parser().parse_args(arguments).shell
    shtab = require_extra("shtab", "completion", "Shell completion needs shtab")
    print(shtab.complete(_all_commands(), shell))
    return SUCCESS


def command_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = create_parser(
        "asana-jobs completion", "Print a script that completes commands and options.", _EPILOG
    )
    parser.add_argument("shell", choices=_SHELLS, help="the shell that reads the script")
    return parser


def all_parsers() -> list[argparse.ArgumentParser]:
    """Return the parser of each command."""
    return [
        read_command.command_parser(),
        watch_command.command_parser(),
        export_command.graph_parser(),
        export_command.resources_parser(),
        download_command.command_parser(),
        recent_command.command_parser(),
        command_parser(),
    ]


def _all_commands() -> argparse.ArgumentParser:
    """Return one parser with all commands, as the completion needs it."""
    parser = argparse.ArgumentParser("asana-jobs")
    commands = parser.add_subparsers()
    for one in all_parsers():
        name = one.prog.partition(" ")[2] or "read"
        text = (one.description or "").partition(".")[0].replace("\n", " ")
        commands.add_parser(name, parents=[one], add_help=False, help=text)
    return parser
