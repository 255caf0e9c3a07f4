"""The widget's CSS, made of the palette: JupyterLab's colours where it sets them, ours elsewhere.

Shapes are drawn, not written: no font need have them. Selectors know the front ends' marks of a
dark theme; where there is none, the ground is light and so is everything on it.
"""

from __future__ import annotations

from asana_jobs_pd._palette import LOOKS

__all__ = ["DARK", "LIGHT", "css"]

LIGHT = {
    "bg": "#ffffff",
    "soft": "#f6f6f8",
    "fg": "#1c1c1e",
    "dim": "#5c5c66",
    "line": "#dcdce0",
    "edge": "#8a8a94",
    "accent": "#0b5fcc",
    "hover": "#eef3fb",
}
"""Colours of a light theme; `fg`, `dim` and `accent` are read on `bg`, `soft` and `hover`."""
DARK = {
    "bg": "#111111",
    "soft": "#1c1c1e",
    "fg": "#ececee",
    "dim": "#ababb3",
    "line": "#3a3a3c",
    "edge": "#7c7c84",
    "accent": "#7cb8ff",
    "hover": "#1d2733",
}

_DARK_THEMES = (
    '[data-jp-theme-light="false"] .aj',  # JupyterLab, Notebook 7, Voilà
    ".vscode-dark .aj",
    ".vscode-high-contrast:not(.vscode-high-contrast-light) .aj",
    "html[theme=dark] .aj",  # Colab
)


def css() -> str:
    """Return the style sheet."""
    light = _variables(LIGHT, {state: look.light for state, look in LOOKS.items()})
    dark = _variables(DARK, {state: look.dark for state, look in LOOKS.items()})
    tones = "".join(
        f".aj .aj-{name}{{color:var(--aj-{name})}}" for name in map(_class, LOOKS)
    ) + "".join(
        f".aj .aj-{tone}{{color:var(--aj-{name})}}"
        for tone, name in (
            ("ok", "succeeded"),
            ("run", "in-progress"),
            ("wait", "not-started"),
            ("bad", "failed"),
        )
    )
    themes = f".aj{{{light}color-scheme:light}}{','.join(_DARK_THEMES)}{{{dark}color-scheme:dark}}"
    return f"{themes}{tones}{_squeezed(_RULES)}"


def _class(state: str) -> str:
    return state.replace("_", "-")


def _variables(grounds: dict[str, str], tones: dict[str, str]) -> str:
    pairs = {**grounds, **{_class(state): colour for state, colour in tones.items()}}
    return "".join(f"--aj-{name}:{colour};" for name, colour in pairs.items())


def _squeezed(rules: str) -> str:
    return "".join(line.strip() for line in rules.splitlines())


_RULES = """
.aj.aj{
 container-type:inline-size;box-sizing:border-box;max-width:980px;margin:4px 2px;padding:0;
 border:1px solid var(--aj-line);border-radius:10px;overflow:hidden;
 background:var(--aj-bg);color:var(--aj-fg);
 font:13px/20px var(--jp-ui-font-family,system-ui,-apple-system,"Segoe UI","DejaVu Sans",
 sans-serif);
 --jp-widgets-color:var(--aj-fg);--jp-widgets-label-color:var(--aj-fg);
 --jp-widgets-input-color:var(--aj-fg);--jp-widgets-input-background-color:var(--aj-bg);
 --jp-widgets-input-border-color:var(--aj-edge);--jp-widgets-margin:0px;
 --jp-widgets-font-size:13px}
.aj *{box-sizing:border-box}
.aj .aj-gone{display:none!important}
.aj .aj-wrap{white-space:normal;overflow-wrap:anywhere}
.aj .widget-html,.aj .widget-html-content{
 margin:0;line-height:20px;min-height:0;height:auto;font-size:13px;color:inherit;overflow:visible}
.aj .widget-html-content{width:100%;align-self:stretch}
.aj .jupyter-widgets{margin:0}
.aj-top{padding:12px 16px 8px;gap:6px 16px;flex-wrap:wrap;align-items:center;overflow:visible}
.aj-top .widget-html:first-child{flex:1 1 auto}
.aj .aj-head .widget-html-content{display:flex;flex-wrap:wrap;gap:2px 16px;align-items:center}
.aj-title{font-weight:650;font-size:15px}
.aj-chip{display:inline-flex;align-items:center;gap:6px;font-variant-numeric:tabular-nums}
.aj-say{font-weight:600;padding:0 10px;border:1px solid currentColor;border-radius:11px}
.aj .aj-clock{color:var(--aj-dim);font-variant-numeric:tabular-nums;white-space:nowrap}
.aj-count{display:inline-block;height:20px;overflow:hidden;vertical-align:bottom;font-weight:400;
 text-align:right}
.aj-count b{display:block;white-space:pre;font-weight:400;line-height:20px}
@keyframes aj-count{to{transform:translateY(calc(var(--aj-n)*-20px))}}
.aj-mark{
 display:inline-block;flex:none;width:11px;height:11px;margin-right:7px;vertical-align:-1px;
 background:currentColor;forced-color-adjust:none}
.aj-chip .aj-mark{margin-right:0}
.aj-mark.aj-succeeded{
 clip-path:polygon(0 55%,14% 40%,38% 64%,86% 12%,100% 27%,38% 94%)}
.aj-mark.aj-in-progress{border-radius:50%;animation:aj-pulse 2.4s ease-in-out infinite}
.aj-mark.aj-not-started{border-radius:50%;background:none;border:2px solid currentColor}
.aj-mark.aj-failed{
 clip-path:polygon(15% 0,50% 35%,85% 0,100% 15%,65% 50%,100% 85%,85% 100%,50% 65%,15% 100%,0 85%,
 35% 50%,0 15%)}
.aj-mark.aj-unreadable{
 clip-path:polygon(40% 0,60% 0,60% 66%,40% 66%,40% 78%,60% 78%,60% 100%,40% 100%)}
.aj-mark.aj-unknown{border-radius:50%;background:none;border:2px dotted currentColor}
@keyframes aj-pulse{50%{transform:scale(.62)}}
.aj-bar{
 display:flex;gap:2px;height:6px;margin:2px 16px 4px;border-radius:3px;overflow:hidden;
 background:var(--aj-line)}
.aj-bar i{display:block;height:100%;background:currentColor;forced-color-adjust:none}
.aj-bar .aj-in-progress{
 opacity:.75;background:repeating-linear-gradient(115deg,currentColor 0 6px,transparent 6px 9px)}
.aj-tools,.aj-foot{padding:10px 16px;gap:8px;align-items:center;flex-wrap:wrap;overflow:visible}
.aj-foot{border-top:1px solid var(--aj-line)}
.aj .aj-fill{flex:1 1 200px;min-width:120px;width:auto}
.aj input[type=text],.aj select{
 height:30px;border:1px solid var(--aj-edge);border-radius:6px;padding:0 9px;
 background-color:var(--aj-bg);color:var(--aj-fg);font:inherit;width:100%}
.aj select{
 appearance:none;padding-right:26px;background-repeat:no-repeat;background-size:5px 5px;
 background-position:right 13px center,right 8px center;
 background-image:linear-gradient(45deg,transparent 50%,currentColor 50%),
 linear-gradient(135deg,currentColor 50%,transparent 50%)}
.aj select option{background:var(--aj-bg);color:var(--aj-fg)}
.aj input::placeholder{color:var(--aj-dim);opacity:1}
.aj .widget-text,.aj .widget-dropdown{height:30px;margin:0}
.aj .aj-pick{width:160px;flex:none}
.aj .widget-text .widget-label,.aj .widget-dropdown .widget-label,.aj-check span,
.aj-hide,.aj-table thead{
 position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap;
 margin:0;padding:0;min-width:0}
.aj button.jupyter-button{
 height:30px;width:auto;line-height:28px;padding:0 12px;margin:0;border:1px solid var(--aj-edge);
 border-radius:6px;background:var(--aj-soft);color:var(--aj-fg);font:inherit;box-shadow:none}
.aj button.jupyter-button:hover:enabled{background:var(--aj-hover);box-shadow:none}
.aj button.jupyter-button:disabled{opacity:1;color:var(--aj-dim);border-style:dashed;
 background:transparent;cursor:default}
.aj button.aj-primary:enabled,.aj button.aj-primary:hover:enabled{
 background:#0b5fcc;border-color:#0b5fcc;color:#fff;font-weight:600}
.aj button.aj-primary:hover:enabled{background:#094fab}
.aj button:focus-visible,.aj input:focus-visible,.aj select:focus-visible,.aj a:focus-visible{
 outline:2px solid var(--aj-accent)!important;outline-offset:1px;border-color:var(--aj-accent)}
.aj-scroll{overflow-x:auto;overflow-y:hidden;border-top:1px solid var(--aj-line)}
.aj-scroll>*{min-width:720px}
.aj-heads{background:var(--aj-soft);border-bottom:1px solid var(--aj-line);
 overflow:visible;flex-wrap:nowrap}
.aj .aj-heads button.jupyter-button{
 height:30px;line-height:30px;border:0;border-radius:0;background:transparent;color:var(--aj-dim);
 padding:0 8px;text-align:left;font-weight:500;overflow:hidden;flex:none}
.aj .aj-heads button.jupyter-button:focus-visible{outline-offset:-2px}
.aj .aj-heads button.aj-sorted{color:var(--aj-fg);font-weight:650}
.aj .aj-sorted::after{
 content:"";display:inline-block;width:0;height:0;margin-left:6px;vertical-align:2px;
 border:4px solid transparent;border-bottom-color:currentColor}
.aj .aj-sorted.aj-down::after{border-color:currentColor transparent transparent;vertical-align:-2px}
.aj .aj-heads button.aj-c-age,.aj .aj-heads button.aj-c-took{text-align:right}
.aj .aj-heads button.aj-c-state{width:132px}.aj .aj-heads button.aj-c-kind{width:186px}
.aj .aj-heads button.aj-c-name{flex:1 1 0;width:0}.aj .aj-heads button.aj-c-gid{width:148px}
.aj .aj-heads button.aj-c-age{width:92px}.aj .aj-heads button.aj-c-took{width:92px}
.aj .aj-heads .aj-check{border:0}
.aj-rows{overflow:visible;flex-wrap:nowrap}
.aj-rows>.widget-html{flex:1 1 0;min-width:0}
.aj .aj-checks{width:40px;flex:none;overflow:visible}
.aj .aj-check{
 width:40px;height:31px;padding-left:16px;border-bottom:1px solid var(--aj-line);overflow:visible}
.aj .aj-check label{display:flex;align-items:center;height:30px;width:24px;margin:0;
 position:relative}
.aj .aj-check input{width:15px;height:15px;margin:0;accent-color:#0b5fcc;cursor:pointer}
.aj .aj-off label{visibility:hidden}
.aj-table{width:100%;border-collapse:separate;border-spacing:0;table-layout:fixed;margin:0;
 font-size:13px;color:inherit;border:0}
.aj-table col.aj-c-state{width:132px}.aj-table col.aj-c-kind{width:186px}
.aj-table col.aj-c-gid{width:148px}.aj-table col.aj-c-age{width:92px}
.aj-table col.aj-c-took{width:92px}
.aj .aj-table tr{background:transparent}
.aj .aj-table td{
 height:31px;padding:0 8px;border:0;border-bottom:1px solid var(--aj-line);white-space:nowrap;
 overflow:hidden;text-overflow:ellipsis;text-align:left;line-height:20px;max-width:none;
 vertical-align:middle}
.aj .aj-table td.aj-num{text-align:right;font-variant-numeric:tabular-nums}
.aj .aj-table td:last-child{padding-right:16px}
.aj .aj-heads button.aj-c-took{padding-right:16px}
.aj .aj-table tbody tr:hover{background:var(--aj-hover)}
.aj .aj-table td.aj-gid{font-family:var(--jp-code-font-family,ui-monospace,"DejaVu Sans Mono",
 monospace);font-size:12px;color:var(--aj-dim)}
.aj .aj-table a{color:var(--aj-accent);text-decoration:none}
.aj .aj-table a:hover,.aj .aj-table a:focus-visible{text-decoration:underline}
.aj .aj-dim{color:var(--aj-dim)}
.aj .aj-table tr.aj-new td{animation:aj-new 2.5s ease-out}
@keyframes aj-new{from{background:var(--aj-hover);box-shadow:inset 0 -1px var(--aj-accent)}}
.aj-empty{padding:28px 16px;text-align:center;color:var(--aj-dim);margin-left:-40px}
.aj .aj-note{padding:9px 16px 9px 13px;border-left:3px solid currentColor;overflow-wrap:anywhere;
 background:var(--aj-soft);border-top:1px solid var(--aj-line)}
.aj .aj-panel{padding:8px 16px;border-top:1px solid var(--aj-line);background:var(--aj-soft);
 overflow:visible}
.aj .aj-file{display:grid;grid-template-columns:minmax(170px,260px) minmax(60px,1fr) 220px;
 gap:12px;align-items:center;min-height:26px;overflow:visible;width:100%}
.aj .aj-file .widget-html-content{white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.aj .aj-all .widget-html-content{font-weight:600}
.aj .aj-words .widget-html-content{font-variant-numeric:tabular-nums}
.aj .aj-file .widget-hprogress{height:6px;width:100%;min-width:0;align-self:center}
.aj .aj-file .progress{height:6px;width:100%;align-self:center;border-radius:3px;
 background:var(--aj-line);border:0;
 overflow:hidden;margin:0;position:relative}
.aj .aj-file .progress-bar{height:6px;background:var(--aj-accent)!important;position:absolute;
 box-shadow:none}
.aj .aj-done .progress-bar{background:var(--aj-succeeded)!important}
.aj .aj-stop .progress-bar{background:var(--aj-failed)!important}
.aj .aj-folder{width:170px}
.aj .aj-pages{color:var(--aj-dim);font-variant-numeric:tabular-nums;margin-left:auto}
.aj .aj-label{color:var(--aj-dim)}
.aj .aj-links{width:100%}
.aj .aj-links .jp-OutputArea-output,.aj .aj-links .jp-RenderedHTMLCommon{
 background:transparent;color:var(--aj-fg);padding:0;font-size:13px}
.aj .aj-links .jp-OutputPrompt,.aj .aj-links .jp-OutputArea-prompt{display:none}
.aj .aj-links a{color:var(--aj-accent)}
@media (prefers-reduced-motion:reduce){.aj .aj-mark,.aj .aj-table td{animation:none!important}}
@media (forced-colors:active){.aj-bar,.aj-mark{forced-color-adjust:none}}
"""
