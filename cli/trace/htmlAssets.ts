/** Style of a page of traces, on screens and on paper. */
export const TRACE_HTML_STYLE = `
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.5rem 0; }
h2 { font-size: 1.3rem; margin: 2rem 0 0.5rem; }
section.trace { border-top: 1px solid var(--line); }
.verdict { border: 2px solid currentColor; border-radius: 4px; padding: 0 0.4em; font-size: 0.8em; }
.verdict.bad, .different { color: var(--different); }
.facts { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 0.15rem 1rem; margin: 0.5rem 0; }
.facts dt { color: var(--muted); }
.facts dd { margin: 0; }
.scroll svg { display: block; }
th, td { white-space: pre; }
td.note { white-space: pre-line; min-width: 18rem; overflow-wrap: normal; }
tr.diverges > * { font-weight: bold; }
tr[aria-current] > * { background: var(--current); }
tr[aria-current] > :first-child { box-shadow: inset 4px 0 var(--ink); }
.stage { display: grid; grid-template-columns: minmax(0, max-content) minmax(17rem, 1fr); gap: 1rem; }
.beside { position: sticky; top: 0.5rem; align-self: start; }
.stepper { background: var(--ground); border: 1px solid var(--line); border-radius: 6px; padding: 0.6rem; }
.stepper[hidden] { display: none; }
.stepper p { margin: 0.4rem 0 0; }
.stepper .now { min-height: 4.5em; }
.stepper .purpose { color: var(--muted); font-size: 0.9rem; min-height: 3em; }
button { font: inherit; color: var(--ink); background: var(--paper); border: 1px solid var(--ink); border-radius: 4px; padding: 0.3rem 0.8rem; cursor: pointer; }
.station, .hop { cursor: pointer; }
.purposes dt { font-weight: bold; }
.purposes dd { margin: 0 0 0.5rem 1rem; }
@media screen and (max-width: 50rem) {
  .stage > .scroll { max-height: 55svh; overflow: auto; }
}
@media (max-width: 50rem) {
  .stage { display: block; }
  .beside { position: static; margin-top: 0.5rem; }
  .stepper .now { min-height: 6em; }
  .facts { grid-template-columns: minmax(0, 1fr); gap: 0; }
  .facts dd { margin-bottom: 0.4rem; }
}
@media print {
  .stepper { display: none; }
  .stage { display: block; }
  .scroll svg { max-width: 100%; height: auto; max-height: 24cm; }
  th, td { white-space: pre-line; overflow-wrap: break-word; padding: 0.15rem 0.25rem; font-size: 0.65rem; }
  td.note { min-width: 0; }
  tr, figure, dd { break-inside: avoid; }
  tr[aria-current] > * { background: none; box-shadow: none !important; }
}
`;

/** Script of a page of traces: step through them by buttons, arrow keys and clicks on steps. */
export const TRACE_HTML_SCRIPT = `
const canHover = matchMedia("(hover: hover)").matches;
const traces = [...document.querySelectorAll("section.trace")].map((section) => {
  const rows = [...section.querySelectorAll("tr[data-step]")];
  const [stepper, now, purpose] = [".stepper", ".now", ".purpose"].map((name) => section.querySelector(name));
  const title = (element) => element.querySelector("title").textContent;
  let current = 0;
  const show = (wanted, scroll) => {
    for (const element of section.querySelectorAll(".current")) element.classList.remove("current");
    for (const element of section.querySelectorAll("[aria-current]")) element.removeAttribute("aria-current");
    current = Math.min(Math.max(wanted, 0), rows.length);
    const row = rows[current - 1];
    if (row === undefined) {
      now.textContent = rows.length + " steps. " + (canHover ? "Press Next or the right arrow key to start." : "Tap Next to start.");
      purpose.textContent = (canHover ? "Hover over or focus" : "Tap") + " an interface to see its purpose.";
      return;
    }
    row.setAttribute("aria-current", "step");
    const [edge, out, station] = [row.dataset.step, row.dataset.step + "-out", row.dataset.station].map((id) => document.getElementById(id));
    for (const element of [edge, out, station]) element?.classList.add("current");
    edge?.setAttribute("aria-current", "step");
    now.textContent = edge === null ? row.textContent : title(edge);
    purpose.textContent = station === null ? "" : title(station);
    if (scroll) (edge ?? row).scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  for (const station of section.querySelectorAll("svg .station")) {
    const tell = () => { if (station.id) purpose.textContent = title(station); };
    station.addEventListener("pointerenter", tell);
    station.addEventListener("focus", tell);
  }
  for (const [index, row] of rows.entries())
    for (const element of [row, document.getElementById(row.dataset.step)])
      element?.addEventListener("click", () => show(index + 1, false));
  const actions = { first: () => show(0, true), back: () => show(current - 1, true), next: () => show(current + 1, true) };
  for (const button of stepper.querySelectorAll("button")) button.addEventListener("click", actions[button.dataset.action]);
  stepper.hidden = rows.length === 0;
  show(0, false);
  return { section, actions };
});
document.addEventListener("keydown", (event) => {
  const action = { ArrowLeft: "back", ArrowRight: "next" }[event.key];
  if (action === undefined || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.target.classList.contains("scroll")) return;
  const trace =
    traces.find(({ section }) => section.contains(event.target)) ??
    traces.find(({ section }) => section.getBoundingClientRect().bottom > innerHeight / 2);
  if (trace === undefined) return;
  event.preventDefault();
  trace.actions[action]();
});
`;
