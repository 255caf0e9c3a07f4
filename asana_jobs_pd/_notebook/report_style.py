"""The style sheet of a report, its colours those of the palette. Pure."""

from __future__ import annotations

from asana_jobs_pd._notebook.palette import LOOKS

__all__ = ["STYLE"]


def _colours(*, dark: bool) -> str:
    states = "".join(f".s-{look.state}{{--c:{look.colour(dark=dark)}}}" for look in LOOKS.values())
    if dark:
        ground = "--bg:#111;--soft:#1c1c1e;--fg:#ececee;--dim:#a9a9b2;--line:#3a3a3e"
    else:
        ground = "--bg:#fff;--soft:#f6f6f8;--fg:#1c1c1e;--dim:#5c5c66;--line:#dcdce0"
    return f":root{{{ground}}}{states}"


_SHAPE = """
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);
 font:15px/1.5 system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif}
main{max-width:1040px;margin:0 auto;padding:36px 28px 60px}
h1{font-size:26px;line-height:1.25;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:17px;margin:38px 0 10px}
p{margin:6px 0}
.dim{color:var(--dim);font-size:13px}
.chips{display:flex;flex-wrap:wrap;gap:4px 18px;margin:16px 0 8px}
.chip{color:var(--c);white-space:nowrap}
.mark{display:inline-block;width:1.3em;font-weight:700}
span.s-failed{color:var(--c)}
.share{display:flex;gap:2px;height:8px;border-radius:4px;overflow:hidden}
.share i{background:var(--c);min-width:3px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;min-width:680px;font-size:14px}
th,td{text-align:left;vertical-align:top;padding:6px 14px 6px 0;border-bottom:1px solid var(--line)}
th:last-child,td:last-child{padding-right:0}
thead th{color:var(--dim);font-weight:500;white-space:nowrap}
tbody th{font-weight:400}
td{overflow-wrap:break-word}
td.num,th.num{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
code{font:13px/1.5 ui-monospace,"SF Mono","DejaVu Sans Mono",monospace;white-space:nowrap}
code.hash{font-size:11px;color:var(--dim);white-space:normal;word-break:break-all}
svg{display:block;width:100%;min-width:720px;height:auto;margin:4px 0}
svg text{font-size:12px;fill:var(--fg)}
svg .head{font-weight:600;text-anchor:end}
svg .label{text-anchor:end;fill:var(--dim)}
svg .tick{text-anchor:middle;fill:var(--dim);font-size:11px}
svg .note{fill:var(--c)}
svg .grid{stroke:var(--line);stroke-width:1}
svg .bar{fill:var(--c)}
svg .seen{fill:var(--c);fill-opacity:.36;stroke:var(--c);stroke-width:1}
svg path.seen{stroke:none}
svg .tail{fill:var(--c);fill-opacity:.25}
svg .cross{stroke:var(--c);stroke-width:2.4;stroke-linecap:round;fill:none}
"""

_PRINT = """
main{max-width:none;padding:0}
section{break-inside:auto}
h2{break-after:avoid}
tr,svg{break-inside:avoid}
thead{display:table-header-group}
.scroll{overflow:visible}
svg,table{min-width:0}
.share i,svg *{print-color-adjust:exact;-webkit-print-color-adjust:exact}
"""

STYLE = (
    _colours(dark=False)
    + _SHAPE
    + f"@media screen and (prefers-color-scheme:dark){{{_colours(dark=True)}}}"
    + f"@media print{{{_PRINT}}}"
)
