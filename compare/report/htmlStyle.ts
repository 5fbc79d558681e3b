/** Style of a report's page, on screens and on paper. */
export const REPORT_STYLE = `
:root { --grid: #e2e6ea; --good: #00694d; }
@media screen and (prefers-color-scheme: dark) { :root { --grid: #2c343d; --good: #5fd6ac; } }
html { scroll-padding-top: 0.5rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0.5rem 0 0.25rem; }
h2 { font-size: 1.35rem; line-height: 1.3; margin: 0 0 0.5rem; }
p, ul { margin: 0.4rem 0; max-width: 60rem; }
ul { padding-left: 1.2rem; }
section { margin-top: 2.25rem; }
small, .muted, caption, figcaption, dt { color: var(--muted); }
small { font-size: 0.92em; }
pre { margin: 0; padding: 0.6rem 0.8rem; background: var(--ground); border: 1px solid var(--grid); border-radius: 6px; white-space: pre-wrap; }
a { color: var(--request); }
.verdict { margin-top: 1rem; padding: 0.9rem 1.1rem; background: var(--ground); border-left: 6px solid var(--good); border-radius: 0 8px 8px 0; font-size: 1.1rem; }
.verdict.bad { border-color: var(--different); }
.verdict.bad h2, .alarms { color: var(--different); }
.alarms { font-weight: 600; }
.verdict ul { max-width: none; }
.verdict li { margin-bottom: 0.3rem; break-inside: avoid; }
@media (min-width: 62rem) { .verdict ul:not(.alarms) { columns: 2; column-gap: 2.5rem; } }
nav { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; margin-top: 1rem; font-size: 0.9rem; }
.look { width: 1.9em; height: 0.75em; margin-right: 0.4em; overflow: visible; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); gap: 1rem; }
article { border: 1px solid var(--grid); border-radius: 8px; padding: 0.75rem 1rem; }
article h3 { margin: 0; }
article p { font-size: 0.9rem; }
.tag { border: 1px solid currentColor; border-radius: 4px; padding: 0 0.4em; font-size: 0.75rem; font-weight: 600; color: var(--good); white-space: nowrap; }
.tag.bad { color: var(--different); }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 0.1rem 0.9rem; margin: 0.5rem 0 0; font-size: 0.9rem; }
dd { margin: 0; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 23rem), 1fr)); gap: 1.25rem; margin-top: 0.75rem; }
.pair { display: grid; grid-template-columns: minmax(0, 1fr) 26rem; gap: 1.25rem; align-items: start; }
figure { margin: 0; max-width: 33rem; }
figure > svg { display: block; width: 100%; height: auto; }
figcaption { font-size: 0.875rem; font-weight: 600; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0 1rem; margin: 0.1rem 0 0.4rem; padding: 0; font-size: 0.8125rem; }
table { overflow-wrap: normal; }
.scroll, th, td { border-color: var(--grid); }
th, td { padding: 0.35rem 0.7rem; white-space: pre-line; }
td { overflow-wrap: anywhere; min-width: 7.5rem; }
thead th { white-space: nowrap; }
tbody th { font-weight: 600; min-width: 6.5rem; }
tbody th small { display: block; font-weight: normal; line-height: 1.3; max-width: 16rem; }
td.measured { white-space: nowrap; }
.ratio { color: var(--muted); font-size: 0.92em; }
.ratio.better { color: var(--good); }
.ratio.worse, .alarm { color: var(--different); }
.noisy { border: 1px dashed currentColor; border-radius: 4px; padding: 0 0.3em; font-size: 0.9em; color: var(--ink); }
tr.bad > * { background: var(--ground); }
tr.bad > th { box-shadow: inset 4px 0 var(--different); }
details { margin-top: 0.6rem; }
summary { cursor: pointer; color: var(--request); font-size: 0.9rem; }
@media (max-width: 62rem) {
  .pair { grid-template-columns: minmax(0, 1fr); }
}
@media (max-width: 40rem) {
  h1 { font-size: 1.4rem; }
  .verdict { font-size: 1rem; padding: 0.75rem 0.8rem; }
  tbody th { position: sticky; left: 0; background: var(--paper); max-width: 8.5rem; }
  tbody th { font-size: 0.8rem; }
  tbody th small { font-size: 0.72rem; }
  td.measured small { display: block; }
  th, td { padding: 0.3rem 0.5rem; }
}
@media print {
  @page { margin: 14mm; }
  html { font-size: 12px; }
  body { font-size: 1rem; }
  main { padding: 0; max-width: none; }
  nav { display: none; }
  .charts { grid-template-columns: 1fr 1fr; }
  .pair { display: block; }
  .pair figure { max-width: 11cm; margin-top: 0.5rem; }
  th, td { padding: 0.15rem 0.3rem; font-size: 0.85rem; min-width: 0 !important; overflow-wrap: break-word; }
  td.measured { white-space: normal; }
  h2, h3 { break-after: avoid; }
  tr, figure, article, .verdict { break-inside: avoid; }
}
`;
