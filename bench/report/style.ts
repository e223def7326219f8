/** The style of the page; light and dark, no fonts or images from anywhere. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #ffffff; --card: #f6f7f9; --ink: #1b1f24; --soft: #5b6470; --line: #dfe3e8;
  --good: #137a4b; --fine: #7a5a00; --bad: #b3261e;
  --c0: #1f6feb; --c1: #c4501b; --c2: #178a5a; --c3: #8250df; --c4: #b8860b; --c5: #0e8a9c; --c6: #b5337a; --c7: #69707a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #101418; --card: #181d23; --ink: #e4e8ed; --soft: #99a3af; --line: #2c333b;
    --good: #4cc38a; --fine: #e0b341; --bad: #ff7b72;
    --c0: #6cb0ff; --c1: #f29060; --c2: #57d19b; --c3: #b99aff; --c4: #e6bd4f; --c5: #52c7d8; --c6: #f07cb6; --c7: #9aa4af;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 76rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; letter-spacing: -.01em; }
h2 { font-size: 1.2rem; margin: 2.75rem 0 .25rem; }
h3 { font-size: .95rem; margin: 1.25rem 0 .25rem; }
p { margin: .25rem 0 .75rem; max-width: 62rem; }
.soft, figcaption, .tick, .axis { color: var(--soft); }
.verdict { display: inline-block; margin: .5rem 0 1rem; padding: .2rem .7rem; border-radius: 1rem; font-weight: 600; border: 1px solid currentColor; }
.good { color: var(--good); } .fine { color: var(--fine); } .bad { color: var(--bad); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; margin: .5rem 0 1rem; }
.wide { overflow-x: auto; }
th, td { text-align: right; padding: .35rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; color: var(--soft); font-size: .85rem; }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 11rem; }
tr.headline td { font-weight: 600; }
.columns { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
figure { margin: 0; padding: .75rem .75rem .5rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
figcaption { font-size: .85rem; font-weight: 600; margin-bottom: .25rem; }
svg { width: 100%; height: auto; display: block; }
svg text { font-size: 11px; fill: var(--soft); }
svg .bound-name { fill: var(--bad); }
.grid { stroke: var(--line); stroke-width: 1; }
.bound { stroke: var(--bad); stroke-dasharray: 4 3; stroke-width: 1; }
polyline { fill: none; stroke-width: 1.75; stroke-linejoin: round; }
.legend { margin: .25rem 0 0; font-size: .8rem; display: flex; flex-wrap: wrap; gap: .15rem .9rem; }
.legend span::before { content: ""; display: inline-block; width: .65rem; height: .65rem; border-radius: 50%; margin-right: .35rem; background: currentColor; }
${Array.from({ length: 8 }, (_, i) => `polyline.c${i} { stroke: var(--c${i}); } circle.c${i} { fill: var(--c${i}); } .legend .c${i} { color: var(--c${i}); }`).join("\n")}
ul { margin: .25rem 0 .75rem; padding-left: 1.2rem; }
nav { display: flex; flex-wrap: wrap; gap: .25rem .9rem; margin: .75rem 0; font-size: .9rem; }
a { color: var(--c0); text-decoration: none; } a:hover { text-decoration: underline; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .5rem 0 1rem; }
dt { color: var(--soft); } dd { margin: 0; }
`;
