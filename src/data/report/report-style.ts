/** The look of a report: light and dark by what the reader's system says, one column on a phone, whole on paper. Colours are those of the console. */
export const REPORT_STYLE = `
:root {
  color-scheme: light dark;
  --ground: #fafafa; --raised: #fff; --sunk: #f4f4f5; --line: #e6e6e8; --line-strong: #d2d2d7;
  --ink: #18181b; --ink-2: #4b4b53; --ink-3: #6b6b74; --accent: #4f46e5; --accent-wash: #eef0ff;
  --act: #c01f2b; --act-wash: #fdf1f1; --warn: #93590a; --warn-wash: #fdf6e7; --ok: #0c6e60; --bar: #8f8bee;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, "DejaVu Sans Mono", "Liberation Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0c0c0e; --raised: #17171a; --sunk: #1c1c20; --line: #29292e; --line-strong: #3b3b42;
    --ink: #ededf0; --ink-2: #b4b4bc; --ink-3: #92929c; --accent: #8b8ff8; --accent-wash: #1e1f3a;
    --act: #ff7b7f; --act-wash: #2b1719; --warn: #e0ac52; --warn-wash: #271f10; --ok: #4fc0ac; --bar: #7276e0;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 14px/1.5 var(--sans); font-variant-numeric: tabular-nums; }
main, header, footer { max-width: 1120px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 40px; }
footer { padding-top: 24px; padding-bottom: 48px; color: var(--ink-3); font-size: 12px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 4px; font-weight: 650; letter-spacing: -0.015em; overflow-wrap: anywhere; }
h2 { font-size: 20px; line-height: 1.3; margin: 48px 0 4px; font-weight: 620; letter-spacing: -0.01em; }
h3 { font-size: 14px; margin: 0; font-weight: 600; overflow-wrap: anywhere; }
p { margin: 0; max-width: 72ch; }
code, .mono { font-family: var(--mono); font-size: 0.92em; }
.sub { color: var(--ink-3); }
.lead { font-size: 16px; margin-top: 16px; }
.lead.bad { border-left: 3px solid var(--act); padding-left: 12px; }
.facts { display: flex; flex-wrap: wrap; gap: 12px 32px; margin: 24px 0 0; padding: 16px 0; border-top: 1px solid var(--line); border-bottom: 1px solid var(--line); }
.facts div { min-width: 88px; }
.facts dt { color: var(--ink-3); font-size: 12px; }
.facts dd { margin: 0; font-size: 16px; font-weight: 560; }
.scroll { overflow-x: auto; margin-top: 16px; border: 1px solid var(--line); border-radius: 8px; background: var(--raised); }
.scroll:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; padding: 8px 12px; color: var(--ink-3); font-size: 12px; }
th, td { text-align: left; padding: 8px 12px; vertical-align: top; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--ink-3); font-size: 12px; font-weight: 500; white-space: nowrap; }
th[scope="row"] { font-weight: 560; overflow-wrap: anywhere; }
.right { text-align: right; white-space: nowrap; }
.nowrap { white-space: nowrap; }
.verdict { white-space: nowrap; font-weight: 560; }
.verdict svg { vertical-align: -1px; margin-right: 6px; }
.pass { color: var(--ok); } .fail, .error { color: var(--act); } .inconclusive { color: var(--warn); }
tr.fails { background: var(--act-wash); }
.columns { display: grid; grid-template-columns: repeat(auto-fill, minmax(248px, 1fr)); gap: 12px; margin-top: 16px; padding: 0; list-style: none; }
.column { border: 1px solid var(--line); border-radius: 8px; background: var(--raised); padding: 12px; break-inside: avoid; min-width: 0; }
.column .type { color: var(--ink-3); font-size: 12px; }
.column .head { display: flex; justify-content: space-between; gap: 8px; align-items: baseline; }
.column svg { display: block; width: 100%; height: 56px; margin: 8px 0 4px; }
.column dl { display: grid; grid-template-columns: auto 1fr; gap: 0 12px; margin: 0; font-size: 12px; }
.column dt { color: var(--ink-3); } .column dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
.ends { display: flex; justify-content: space-between; gap: 12px; color: var(--ink-3); font-size: 11px; margin-bottom: 6px; }
.ends span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.moved { color: var(--warn); font-weight: 560; }
.tops { list-style: none; margin: 8px 0; padding: 0; font-size: 12px; }
.tops li { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 8px; position: relative; padding: 1px 6px; }
.tops .fill { position: absolute; inset: 1px auto 1px 0; background: var(--accent-wash); border-radius: 3px; }
.tops span { position: relative; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
rect.bar { fill: var(--bar); } rect.none { fill: var(--line-strong); } line.axis { stroke: var(--line-strong); }
.reason { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 4px 12px; margin-top: 12px; max-width: 640px; }
.meter { grid-column: 1 / -1; height: 4px; border-radius: 2px; background: var(--sunk); overflow: hidden; }
.meter i { display: block; height: 100%; background: var(--act); border-radius: 2px; }
tbody th[scope="row"] { min-width: 14ch; }
.cell { max-width: 32ch; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.missing { color: var(--ink-3); }
details { margin-top: 12px; } summary { cursor: pointer; color: var(--accent); }
.dots { white-space: nowrap; }
@media (max-width: 640px) {
  main, header, footer { padding-left: 16px; padding-right: 16px; }
  header { padding-top: 24px; } h1 { font-size: 24px; }
  .facts { gap: 12px 24px; }
  .checks thead { display: none; }
  .checks tr { display: grid; grid-template-columns: auto 1fr; gap: 2px 12px; padding: 10px 12px; border-top: 1px solid var(--line); }
  .checks tr:first-child { border-top: 0; }
  .checks td, .checks th { border: 0; padding: 0; }
  .checks .what, .checks .dots { grid-column: 1 / -1; }
  .checks .right { text-align: left; }
}
@media print {
  :root { color-scheme: light; --ground: #fff; --raised: #fff; --ink: #000; --ink-2: #222; --ink-3: #444; --line: #bbb; --line-strong: #888; }
  body { font-size: 10pt; } header { padding-top: 0; } h2 { break-after: avoid; margin-top: 24px; }
  tr, .column, .reason { break-inside: avoid; } thead { display: table-header-group; }
  .scroll { overflow: visible; border-color: #bbb; } .cell { white-space: normal; overflow-wrap: anywhere; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
@media (prefers-reduced-motion: no-preference) { summary { transition: color 120ms; } }
`
