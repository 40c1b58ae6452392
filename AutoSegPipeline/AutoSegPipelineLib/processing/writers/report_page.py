"""The look of the report: one page of HTML that asks nothing of any server."""

from __future__ import annotations

from string import Template

STYLE = """
:root { color-scheme: light dark; --ink: #1b222c; --soft: #55606e; --page: #ffffff; --panel: #f3f5f8;
  --line: #d5dbe3; --warn: #7a4a00; --warn-page: #fff3d9; --warn-line: #e0b050; --bar: #4d7fb8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebf0; --soft: #a9b4c2; --page: #14181e;
  --panel: #1d232c; --line: #333d4a;
  --warn: #ffd890; --warn-page: #36290f; --warn-line: #8a6a20; --bar: #6da3e0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2rem 1.25rem 3rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); }
.research { display: inline-block; margin-top: .5rem; padding: .15rem .6rem; border: 1px solid var(--line);
  border-radius: 1rem; font-size: .9rem; }
.warnings { background: var(--warn-page); border: 1px solid var(--warn-line); border-left-width: 6px;
  border-radius: 6px; padding: .7rem 1rem; margin: 1.2rem 0; color: var(--warn); }
.warnings h2 { margin: 0 0 .3rem; font-size: 1.05rem; } .warnings ul { margin: 0; padding-left: 1.2rem; }
figure { margin: 1.2rem 0; } figure img { display: block; width: 100%; height: auto; border-radius: 8px; }
figcaption { color: var(--soft); font-size: .9rem; margin-top: .4rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .38rem .7rem; border-bottom: 1px solid var(--line);
  vertical-align: baseline; }
thead th { font-size: .85rem; color: var(--soft); border-bottom-width: 2px; vertical-align: bottom; }
tbody th { font-weight: 600; } .number { text-align: right; white-space: nowrap; }
tr.group th { padding-top: 1.1rem; font-size: .85rem; letter-spacing: .04em; color: var(--soft); }
.swatch { display: inline-block; width: .85em; height: .85em; border-radius: 3px; margin-right: .5em;
  border: 1px solid var(--line); vertical-align: -.05em;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
dl { display: grid; grid-template-columns: minmax(9rem, max-content) 1fr; gap: .25rem 1.2rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
code { font: .88em ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
details { margin: .3rem 0; } summary { cursor: pointer; padding: .2rem 0; }
footer { margin-top: 2.5rem; padding-top: 1rem; border-top: 1px solid var(--line);
  color: var(--soft); font-size: .9rem; }
@media print {
  :root { --ink: #000; --soft: #444; --page: #fff; --panel: #fff; --line: #bbb;
    --warn: #000; --warn-page: #fff; }
  body { font-size: 10.5pt; } main { max-width: none; padding: 0; }
  tr, figure, .warnings { break-inside: avoid; } thead { display: table-header-group; }
  .scroll { overflow: visible; }
}
"""

# No scripts, no requests: the page may lie on a share or travel by mail.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

PAGE = Template(
    """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="$policy">
<title>$title</title>
<style>$style</style>
</head>
<body>
<main>
<header>
<h1>$title</h1>
<p class="soft">$subtitle</p>
<p class="research">$disclaimer</p>
</header>
$warnings
$picture
<h2 id="structures">Structures</h2>
<div class="scroll" role="region" aria-labelledby="structures" tabindex="0">
$table
</div>
<p class="soft">$table_note</p>
<h2>How it was made</h2>
$facts
<h2>Files</h2>
$files
<footer>
<p><strong>$disclaimer</strong> Volumes and sides were computed without a person's check;
do not base a decision about a patient on them.</p>
<p>$made_by</p>
</footer>
</main>
</body>
</html>
"""
)
