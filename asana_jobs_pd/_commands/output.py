"""Gids in, frames out: the arguments and formats that commands share."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from asana_jobs_pd._atomic import replace_file
from asana_jobs_pd._formulas import disarm_frame
from asana_jobs_pd._table import masked, render

__all__ = ["add_output", "check_output", "gids_of_words", "write"]

FORMATS = ("table", "csv", "json", "parquet")


def gids_of_words(words: Sequence[str]) -> list[str]:
    """Return the gids of arguments, apart where blanks or commas are; ``-`` is standard input."""
    gids: list[str] = []
    for word in words:
        text = sys.stdin.read() if word == "-" else word
        gids += [part for part in re.split(r"[\s,]+", text) if part]
    return gids


def add_output(parser: argparse.ArgumentParser, *more: str) -> None:
    """Add the options that say in which form a frame is written, and where; `more` are formats."""
    parser.add_argument(
        "--format", choices=(*FORMATS, *more), help="default: by the suffix of --output, else table"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write there instead of to standard output"
    )


def check_output(options: argparse.Namespace, parser: argparse.ArgumentParser) -> str:
    """Return the format; end with a usage error where it could not be written in the end."""
    suffix = options.output.suffix.lstrip(".").lower() if options.output else "table"
    kind: str = options.format or suffix
    if kind not in FORMATS and not options.format:
        parser.error(f"--output {options.output}: say --format csv, json or parquet")
    if kind == "parquet" and not options.output:
        parser.error("--format parquet needs --output FILE: it is not text")
    if options.output and not options.output.expanduser().parent.is_dir():
        parser.error(f"--output {options.output}: there is no folder {options.output.parent}")
    if options.output and options.output.expanduser().is_dir():
        parser.error(f"--output {options.output} is a folder; give the name of a file in it")
    return kind


def write(frame: pd.DataFrame, table: pd.DataFrame, kind: str, output: Path | None) -> None:
    """Write a frame, masked, to a file or to standard output.

    Parameters
    ----------
    frame
        What CSV, JSON and Parquet hold.
    table
        What a person gets to see of it; columns without a value are left out.
    kind
        The format.
    output
        The file; None for standard output.
    """
    if kind == "parquet" and output is not None:
        replace_file(output, lambda path: masked(frame).to_parquet(path, index=False))
        return
    text = _text(frame, table, kind)
    if output is None:
        sys.stdout.write(text)
    else:
        replace_file(output, lambda path: path.write_text(text, encoding="utf-8"))


def _text(frame: pd.DataFrame, table: pd.DataFrame, kind: str) -> str:
    if kind == "csv":
        return disarm_frame(masked(_flat(frame))).to_csv(index=False)
    if kind == "json":
        records = masked(frame).to_json(
            orient="records", date_format="iso", date_unit="us", indent=1
        )
        return f"{records}\n"
    if kind == "gids":
        return "".join(f"{gid}\n" for gid in frame["gid"].dropna())
    return render(masked(table).dropna(axis=1, how="all")) + "\n"


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with lists as texts of a line each."""
    if "file.paths" not in frame.columns:
        return frame
    return frame.assign(**{"file.paths": frame["file.paths"].map("\n".join)})
