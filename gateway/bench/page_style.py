"""How a report looks: no network, in dark and in light, on paper."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1c1e21; --soft: #5f6670;
  --rule: #dfe2e6; --card: #f7f8f9; --void: #b3261e;
  --c0: #2563eb; --c1: #d9480f; --c2: #2b8a3e; --c3: #9c36b5;
  --c4: #0b7285; --c5: #c2255c; --c6: #856404; --c7: #495057; }
@media (prefers-color-scheme: dark) { :root { --paper: #14161a; --ink: #e6e8eb; --soft: #9aa2ad;
  --rule: #333840; --card: #1c1f25; --void: #ff8a80;
  --c0: #74a9ff; --c1: #ff9f5a; --c2: #69db7c; --c3: #da77f2;
  --c4: #66d9e8; --c5: #faa2c1; --c6: #ffd43b; --c7: #ced4da; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 28px 20px 60px; max-width: 1160px; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 36px 0 10px; }
p { margin: 6px 0; } .soft { color: var(--soft); }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 16px; }
figure { margin: 0; padding: 14px; background: var(--card); border: 1px solid var(--rule);
  border-radius: 8px; break-inside: avoid; }
figcaption { font-weight: 600; } figcaption span { font-weight: 400; color: var(--soft); }
svg { width: 100%; height: auto; display: block; }
.legend { display: flex; flex-wrap: wrap; gap: 6px 22px; margin: 12px 0; padding: 0; }
.legend li { display: flex; align-items: center; gap: 8px; list-style: none; }
.legend svg { width: 34px; height: 12px; flex: none; }
.grid { stroke: var(--rule); } .axis { stroke: var(--soft); }
.tick, .name { fill: var(--soft); font-size: 12px; }
.line { fill: none; stroke-width: 2; } .line.dashed { stroke-dasharray: 6 4; }
.dot { stroke-width: 2; } .dot.dashed { fill: var(--card); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th { text-align: left; color: var(--soft); font-weight: 600; }
td.figure, th.figure { text-align: right; } td.void, .notes .void { color: var(--void); }
tr.first td { border-top: 2px solid var(--rule); }
.facts th { vertical-align: top; } .facts td { white-space: normal; overflow-wrap: anywhere; }
.notes { padding-left: 20px; } pre { font-size: 12px; overflow-x: auto; max-height: 480px;
  padding: 12px; background: var(--card); border: 1px solid var(--rule); border-radius: 8px; }
@media (max-width: 480px) { .plots { grid-template-columns: 1fr; } }
""" + "\n".join(
    f".line.s{n} {{ stroke: var(--c{n}); }} .dot.s{n} {{ stroke: var(--c{n}); }} "
    f".dot.s{n}:not(.dashed) {{ fill: var(--c{n}); }}"
    for n in range(8)
)
