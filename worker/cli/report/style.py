"""The style sheet of the report: light and dark, on screen and on A4 paper."""

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d2330; --soft: #667085; --line: #e3e6ec; --page: #fff; --card: #f6f7f9;
  --in: #9db7e8; --out: #2f6fde; --bad: #c93b3b; --slow: #e08a2c; --good: #23855b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --line: #2d333f; --page: #14171d;
  --card: #1d222b; --in: #48628f; --out: #6ea0ff; --bad: #ff7a70; --slow: #f0a858; --good: #5cc797; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 36px 28px 48px; max-width: 860px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
h1 { margin: 0; font-size: 26px; letter-spacing: -.01em; }
h2 { margin: 36px 0 6px; font-size: 17px; }
h3 { margin: 18px 0 2px; font-size: 14px; }
p { margin: 6px 0; }
.soft, footer { color: var(--soft); font-size: 13px; }
.lead { margin: 14px 0 20px; font-size: 17px; }
.tiles { display: grid; grid-template-columns: repeat(5, 1fr); gap: 10px; }
.tile { padding: 12px 14px; border-radius: 10px; background: var(--card); }
.tile b { display: block; font-size: 24px; line-height: 1.25; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 12.5px; }
.tile.bad b { color: var(--bad); }
.tile.good b { color: var(--good); }
table { width: 100%; border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th { padding: 6px 8px; border-bottom: 1px solid var(--soft); color: var(--soft); font-weight: 600; text-align: left;
  vertical-align: bottom; }
td { padding: 5px 8px; border-bottom: 1px solid var(--line); vertical-align: top; }
.n { text-align: right; }
td.n, td:first-child { white-space: nowrap; }
#needs td:first-child, #dead td { white-space: normal; }
code { padding: 1px 5px; border-radius: 4px; background: var(--card); font-size: 12.5px; overflow-wrap: anywhere; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font-size: 11px; }
svg .grid { stroke: var(--line); }
.in { fill: var(--in); background: var(--in); } .out { fill: var(--out); background: var(--out); }
.failed { fill: var(--bad); background: var(--bad); }
polyline { stroke-width: 2; stroke-linejoin: round; }
polyline.half, polyline.most { fill: none; }
.half { stroke: var(--out); fill: var(--out); background: var(--out); }
.most { stroke: var(--slow); fill: var(--slow); background: var(--slow); }
.key { margin: 2px 0 6px; color: var(--soft); font-size: 12.5px; }
.key i { display: inline-block; width: 10px; height: 10px; margin: 0 5px 0 14px; border-radius: 2px; }
.key i:first-child { margin-left: 0; }
footer { margin-top: 36px; padding-top: 12px; border-top: 1px solid var(--line); }
@media (max-width: 640px) { .tiles { grid-template-columns: repeat(2, 1fr); } body { padding: 20px 14px; } }
@page { size: A4; margin: 14mm; }
@media print { :root { color-scheme: light; --ink: #000; --soft: #555; --line: #ddd; --page: #fff; --card: #f3f3f3;
  --in: #9db7e8; --out: #2f6fde; --bad: #b32626; --slow: #c26f12; --good: #1c6e4b; }
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  tr, svg, .tiles, h2, h3, .plot { break-inside: avoid; } h2, h3, .key { break-after: avoid; }
  thead { display: table-header-group; } }
"""
