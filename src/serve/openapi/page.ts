/** The page at `/docs`: colours and measures are those of the console. What it does is in page-script.ts. */

const STYLE = `
:root {
  --bg: #ffffff; --ground: #fafafa; --sunk: #f4f4f5; --line: #e6e6e8; --line-strong: #d2d2d7;
  --ink: #18181b; --ink-2: #4b4b53; --ink-3: #6b6b74; --accent: #4f46e5; --accent-ink: #4338ca; --accent-wash: #eef0ff;
  --act: #c01f2b; --ok: #0c6e60; --tap: 32px;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", "Segoe UI Mono", Menlo, "DejaVu Sans Mono", "Liberation Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    color-scheme: dark;
    --bg: #111113; --ground: #0c0c0e; --sunk: #1c1c20; --line: #29292e; --line-strong: #3b3b42;
    --ink: #ededf0; --ink-2: #b4b4bc; --ink-3: #92929c; --accent: #8b8ff8; --accent-ink: #a9adff; --accent-wash: #1e1f3a;
    --act: #ff7b7f; --ok: #4fc0ac;
  }
}
@media (max-width: 767px) { :root { --tap: 44px; } }
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; background: var(--ground); scroll-padding-top: 64px; }
body { margin: 0; color: var(--ink); font: 14px / 20px var(--sans); font-variant-numeric: tabular-nums; }
h1, h2, p { margin: 0; }
h1 { font-size: 16px; line-height: 24px; font-weight: 600; letter-spacing: -0.006em; }
h2 { font-size: 20px; line-height: 28px; font-weight: 600; letter-spacing: -0.012em; overflow-wrap: anywhere; }
header {
  position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: center;
  padding: 8px 24px; background: var(--bg); border-bottom: 1px solid var(--line);
}
header label { margin-left: auto; }
header a { color: var(--accent-ink); }
label { display: flex; gap: 8px; align-items: center; color: var(--ink-2); }
input, select, textarea, button {
  font: inherit; color: inherit; background: var(--bg); border: 1px solid var(--line-strong); border-radius: 6px; min-height: var(--tap); padding: 4px 10px;
}
input, select { width: 180px; }
textarea { display: block; width: 100%; font: 12px / 18px var(--mono); resize: vertical; padding: 10px; }
button { cursor: pointer; }
button.send { background: var(--accent-ink); border-color: var(--accent-ink); color: #fff; font-weight: 500; }
@media (prefers-color-scheme: dark) { button.send { color: #111113; } }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.page { display: grid; grid-template-columns: 208px minmax(0, 880px); gap: 32px; padding: 24px; }
nav a {
  display: flex; align-items: center; min-height: var(--tap); padding: 0 10px; border-radius: 6px; color: var(--ink-2); text-decoration: none; overflow-wrap: anywhere;
}
nav a:hover { background: var(--sunk); }
nav a[aria-current] { background: var(--accent-wash); color: var(--accent-ink); font-weight: 500; }
.about { color: var(--ink-2); margin: 4px 0 16px; }
details { background: var(--bg); border: 1px solid var(--line); border-radius: 8px; margin-bottom: 8px; }
summary { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: baseline; padding: 10px 14px; cursor: pointer; list-style: none; }
summary::-webkit-details-marker { display: none; }
.method { font: 600 11px / 18px var(--mono); color: var(--accent-ink); width: 36px; text-transform: uppercase; }
.method.get { color: var(--ok); }
.path { font: 13px / 20px var(--mono); overflow-wrap: anywhere; }
.does { color: var(--ink-3); }
.inside { border-top: 1px solid var(--line); padding: 14px; display: grid; gap: 12px; }
.fields { display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap: 8px 16px; }
.fields label { flex-direction: column; align-items: stretch; gap: 2px; font-size: 12px; }
.fields input, .fields select { width: 100%; }
.row { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
.status { font-weight: 600; color: var(--ok); }
.status.bad { color: var(--act); }
.fix { color: var(--act); }
pre { margin: 0; padding: 10px; background: var(--sunk); border-radius: 6px; font: 12px / 18px var(--mono); overflow: auto; max-height: 480px; white-space: pre-wrap; overflow-wrap: anywhere; }
@media (max-width: 767px) {
  header { padding: 8px 16px; }
  header label { margin-left: 0; width: 100%; }
  header input { flex: 1; width: auto; }
  .page { grid-template-columns: minmax(0, 1fr); gap: 12px; padding: 12px 16px; }
  nav { display: flex; gap: 4px; overflow-x: auto; }
  nav a { white-space: nowrap; overflow-wrap: normal; }
  .does { width: 100%; }
  input, textarea, select { font-size: 16px; line-height: 22px; }
}
`

export const DOCS_HTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Millrace: requests to try</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>Requests to try</h1>
<a href="openapi.json">openapi.json</a>
<label>Token <input id="token" type="password" autocomplete="off" placeholder="where one is needed"></label>
</header>
<div class="page">
<nav id="tags" aria-label="Models"></nav>
<main id="main" aria-live="polite"><p class="about">Reading openapi.json…</p></main>
</div>
<noscript>This page needs JavaScript; the document itself is openapi.json.</noscript>
<script src="docs/page.js" defer></script>
</body>
</html>
`
