"""Gids: what is a valid one, and how they are extracted from what users pass."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from asana_jobs_pd._http.redaction import redact
from asana_jobs_pd.errors import InvalidFrameError, InvalidGidError
from asana_jobs_pd.typing import Gids

FLOATS = (
    "Floats lose the last digits of a gid. Read them as text: aj.read_jobs_file(path), or "
    'pd.read_csv(path, dtype={"gid": "string"}).'
)
MAX_DIGITS = 100
MAX_SHOWN = 3
_NOT_SENT = "No request was made."

_URL = re.compile(r"(?i)([a-z][a-z0-9+.-]*://|(www\.|app\.)?asana\.com).*", re.DOTALL)
_ASANA_URL = re.compile(
    r"(?:https?://)?app\.asana\.com(?::(?:443|80))?/([^?#\s]*)(?:[?#]\S*)?", re.IGNORECASE
)
_JOB_PATH = re.compile(r"(?:api/[0-9.]+/)?jobs/([0-9]{1,100})")
_QUOTES = (
    "\"'`\u00b4\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a\uff02\uff07"
)
_FORMULA = re.compile(f"^=\\s*(?=[{_QUOTES}])")
"""The beginning of `=\"1208…\"`, which keeps a spreadsheet from making a number of a text."""
_HINTS = (
    (
        re.compile(r"[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]+|[0-9]+[.,]0+"),
        "Spreadsheets keep 15 digits of a number: format the column as text and paste them again.",
    ),
    (
        re.compile(r"[0-9]{1,3}([\s,.'\u2019_][0-9]{3})+"),
        "Remove thousands separators.",
    ),
    (
        re.compile(r"(?i).*\.(csv|tsv|txt|xls[xm]|jsonl?|ndjson|parquet|pq)(\.(gz|bz2|zst))?"),
        "To read a file, pass aj.read_jobs_file(path).",
    ),
    (
        re.compile(r"(?i)nan|nat|none|null|<na>|#?n/a"),
        "Drop missing values before you convert a column to text.",
    ),
    (
        re.compile(r"[\s\[('\"]*[0-9]+([\s,;|/'\"]+[0-9]+)+[\s,;\])'\"]*"),
        "Give several gids as a list.",
    ),
)
"""Patterns of texts that are not gids, and the advice for each."""


def job_url_gid(url: str) -> str | None:
    """Return the gid in a job's URL, which may be of the web app or the API."""
    match = _JOB_PATH.fullmatch(asana_path(url))
    return match[1] if match else None


class Urls(NamedTuple):
    """Which URLs are accepted in place of a gid.

    `gid` returns the gid in a URL, or None for a URL of another object; `advice` says which URL is
    needed.
    """

    gid: Callable[[str], str | None]
    advice: Callable[[str], str]


JOB_URLS = Urls(
    job_url_gid,
    lambda _: (
        "That URL cannot be read here; the URL of a job is https://app.asana.com/api/1.0/jobs/GID."
    ),
)
NO_URLS = Urls(lambda _: None, lambda _: "That URL cannot be read here; give the gid.")


def parse_gids(gids: Gids, *, urls: Urls = JOB_URLS) -> list[str]:
    """Return gids in any accepted form as text, in their order, with repeats."""
    if advice := foreign_frame(gids):
        raise InvalidGidError(f"{advice} {_NOT_SENT}")
    if isinstance(gids, pd.DataFrame):
        gids = gid_series(gids.rename(columns=gid_name(gids.columns)))
    if isinstance(gids, str | int | np.integer) or not isinstance(gids, Iterable):
        return [parse_gid(gids, "gid", urls=urls)]
    name = getattr(gids, "name", None) if isinstance(gids, pd.Series | pd.Index) else None
    values = _values(gids)
    if _are_digits(values):
        return values
    texts = [_read(value, urls) for value in values]
    return _checked(values, texts, [text is None for text in texts], name, urls=urls)


def parse_column(column: pd.Series, *, in_file: bool = False) -> list[str | None]:
    """Return the gids in a frame's column as text; None if blank.

    If the column comes from a file, its index has the line numbers, which the error names.
    """
    values = list(column.array)
    if _are_digits(values):
        return values
    texts = [_read(value, JOB_URLS) for value in values]
    bad = [text is None and not _is_blank(value) for value, text in zip(values, texts, strict=True)]
    lines = list(column.index) if in_file else None
    return _checked(values, texts, bad, column.name, lines, urls=JOB_URLS)


def parse_gid(value: object, where: str, *, urls: Urls = NO_URLS) -> str:
    """Return one gid as text; `where` names it in the error."""
    text = _read(value, urls)
    if text is None:
        message = f"{where} = {_shown(value)} is not a gid. {_advice([value], urls)} {_NOT_SENT}"
        raise InvalidGidError(message, bad={0: _kept(value)})
    return text


def asana_path(url: str) -> str:
    """Return the path of a URL of Asana's web app or API in lower case; "" for other URLs."""
    match = _ASANA_URL.fullmatch(url)
    return match[1].rstrip("/").lower() if match else ""


def gid_series(frame: pd.DataFrame) -> pd.Series:
    """Return a frame's gids: its ``gid`` column, or the index level of that name."""
    if frame.columns.nlevels > 1:
        raise InvalidFrameError("The columns have several levels; flatten them to one.")
    if "gid" in frame.columns:
        column = frame["gid"]
        if isinstance(column, pd.DataFrame):
            raise InvalidFrameError("The frame has more than one column 'gid'; keep one.")
        return column
    if list(frame.index.names).count("gid") > 1:
        raise InvalidFrameError("The index has more than one level 'gid'; keep one.")
    if "gid" in frame.index.names:
        return frame.index.get_level_values("gid").to_series(index=frame.index)
    raise InvalidFrameError(
        "The frame has no 'gid', neither as a column nor in its index; its columns are "
        f"{_names(frame.columns)}. Rename the column with the gids of the jobs to 'gid'."
    )


def gid_name(names: Iterable[object]) -> dict[object, str]:
    """Return the renaming of the only column called ``gid`` except for case and spaces."""
    alike = [name for name in names if str(name).strip().lower() == "gid"]
    return {} if "gid" in alike or len(alike) != 1 else {alike[0]: "gid"}


def foreign_frame(value: object) -> str:
    """Return how to convert another library's frame to pandas; "" for anything else."""
    kind = f"{type(value).__module__.partition('.')[0]} {type(value).__name__}"
    if isinstance(value, pd.DataFrame) or not hasattr(value, "columns"):
        return ""
    for method in ("to_pandas", "toPandas", "compute", "collect"):
        if hasattr(value, method):
            call = "collect().to_pandas" if method == "collect" else method
            return f"This is a {kind}, not a pandas DataFrame; convert it with .{call}()."
    return ""


def _values(gids: Iterable[Any]) -> list[Any]:
    if _is_buffer(gids) or (isinstance(gids, np.ndarray) and gids.ndim > 1):
        raise InvalidGidError(
            f"gids = {_shown(gids)} is not a list of gids. {_advice([gids], NO_URLS)} {_NOT_SENT}"
        )
    if isinstance(gids, np.ndarray):
        return list(gids.ravel())
    return gids.to_pylist() if hasattr(gids, "to_pylist") else list(gids)


def _is_buffer(value: object) -> bool:
    """Return whether iterating over a value would yield single bytes or characters."""
    if isinstance(value, bytes | bytearray):
        return True
    if isinstance(value, np.ndarray | np.generic):
        return False
    try:
        with memoryview(value) as view:  # type: ignore[arg-type]
            return view.format in (None, "b", "B", "c", "u", "w")
    except TypeError:
        return False
    except ValueError:  # a memoryview that was released
        return True


def _are_digits(values: list[Any]) -> bool:
    """Return whether all values are texts of digits: the fast path for nearly every list."""
    if set(map(type, values)) != {str} or "" in values:
        return False
    digits = "".join(values)
    return digits.isascii() and digits.isdigit() and len(max(values, key=len)) <= MAX_DIGITS


def _read(value: object, urls: Urls) -> str | None:
    if isinstance(value, pa.Scalar):
        value = value.as_py()
    if isinstance(value, str):
        text = _clean(value)
        if _is_digits(text):
            return text
        return urls.gid(text) if text else None
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return str(int(value)) if 0 < value < 10**MAX_DIGITS else None
    return None


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS


def _clean(text: str) -> str:
    """Return a text without the characters that spreadsheets and people add to gids."""
    if _is_digits(text):
        return str(text)
    text = "".join(letter for letter in text if unicodedata.category(letter) != "Cf").strip()
    before = None
    while text != before:
        before = text
        text = _FORMULA.sub("", text).strip().strip(_QUOTES)
    return text


def _is_blank(value: object) -> bool:
    if isinstance(value, str):
        return not _clean(value)
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))  # type: ignore[call-overload]


def _checked(
    values: Sequence[object],
    texts: list[Any],
    bad: Sequence[bool],
    name: object,
    lines: Sequence[int] | None = None,
    *,
    urls: Urls,
) -> list[Any]:
    positions = [position for position, wrong in enumerate(bad) if wrong]
    if not positions:
        return texts
    if len(values) == 1 and name is None:
        parse_gid(values[0], "gids[0]", urls=urls)
    column = "" if name is None else f" in the column {str(name)!r}"
    where = "line {}" if lines else "gids[{}]"
    places = {(lines[row] if lines else row): values[row] for row in positions}
    first = [f"{where.format(place)} = {_shown(value)}" for place, value in places.items()]
    more = ", …" if len(positions) > MAX_SHOWN else ""
    verb = "is not a gid" if len(positions) == 1 else "are not gids"
    raise InvalidGidError(
        f"{len(positions)} of {len(values)} values{column} {verb}: "
        f"{', '.join(first[:MAX_SHOWN])}{more}. {_advice(list(places.values()), urls)}"
        + ("" if lines else f" {_NOT_SENT}"),
        bad={place: _kept(value) for place, value in places.items()},
    )


def _advice(values: Sequence[object], urls: Urls) -> str:
    """Return what to do about values that are not gids."""
    hints = list(dict.fromkeys(hint for value in values if (hint := _hint(value, urls))))
    general = "A gid is a string of digits, or a positive int."
    return " ".join(hints[:MAX_SHOWN] or [general])


def _hint(value: object, urls: Urls) -> str:
    if isinstance(value, str) and (text := _clean(value)):
        hints = (hint for pattern, hint in _HINTS if pattern.fullmatch(text))
        return urls.advice(text) if _URL.fullmatch(text) else next(hints, "")
    if value is None or isinstance(value, str):
        condition = "gid.strip()" if value else "gid"
        return f"Leave out blank values, for example with [gid for gid in gids if {condition}]."
    if _is_blank(value):
        return (
            "Leave out blank values, for example with .dropna(), or call frame.asana.refresh(), "
            "which passes over them."
        )
    if isinstance(value, float | np.floating):
        return FLOATS
    if isinstance(value, Mapping):
        return "For records of jobs, use asana_jobs_from_records."
    return "Decode bytes to text first." if _is_buffer(value) else ""


def _shown(value: object) -> str:
    try:
        text = " ".join(redact(repr(value)[:1000]).split())
    except Exception:  # noqa: BLE001  such as an int of thousands of digits
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 60 else text[:59] + "…"  # noqa: PLR2004


def _kept(value: object) -> str:
    return redact(value) if isinstance(value, str) else _shown(value)


def _names(names: Iterable[object]) -> str:
    shown = [repr(name) for name in names]
    return ", ".join(shown[:8]) + (", …" if len(shown) > 8 else "") if shown else "none"  # noqa: PLR2004
