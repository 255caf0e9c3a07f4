"""What is shown of a frame holds no credential."""

from __future__ import annotations

import pandas as pd
import pytest
from conftest import TOKEN
from made import SIGNATURE, URL

from asana_jobs_pd._jobs.views import masked

TEXTS = {
    URL: "https://s3.example/f.jsonl.gz?…",
    "see https://x.example/?q=1": "see https://x.example/?q=1",
    "policy and signature": "policy and signature",
}


@pytest.mark.parametrize("dtype", ["string", "object", "category"])
def test_signatures_are_masked_in_every_column(dtype):
    """Others than ``download_url`` too, and only what is a credential."""
    frame = pd.DataFrame({"any": pd.Series([*TEXTS, None], dtype=dtype)})
    shown = masked(frame)
    assert shown["any"].tolist()[:3] == list(TEXTS.values())
    assert shown["any"].isna().tolist() == [False] * 3 + [True]
    assert frame["any"].iloc[0] == URL


def test_tokens_are_masked_too():
    """Whoever has put one there."""
    shown = masked(pd.DataFrame({"note": [f"Bearer {TOKEN}", TOKEN, "x"]}))
    assert "0123456789abcdef" not in shown.to_string()
    assert shown.at[2, "note"] == "x"


def test_download_urls_lose_any_query():
    """Whatever signs it; the fragment goes, and who logs in."""
    urls = [
        "https://s3.example/a?key=secret",
        "https://me:pw@s3.example/a#x",
        "https://s3.example/a",
    ]
    shown = masked(pd.DataFrame({"new_x.download_url": urls}))["new_x.download_url"]
    assert list(shown) == [
        "https://s3.example/a?…", "https://…@s3.example/a", "https://s3.example/a"
    ]  # fmt: skip


def test_odd_frames_are_masked_too():
    """Values that are no texts, names that repeat or are none, no columns."""
    frame = pd.DataFrame([[1, URL, [URL]]], columns=[0, "a", "a"])
    shown = masked(frame)
    assert SIGNATURE not in shown["a"].iloc[0, 0]
    assert list(shown.columns) == [0, "a", "a"]
    assert masked(pd.DataFrame()).empty
