/** Steps through the walks of a page, by buttons, arrow keys and clicks on steps. */
export const WALK_HTML_SCRIPT = `
const walks = [...document.querySelectorAll("section.walk")].map((section) => {
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
      now.textContent = rows.length + " steps. Next, or the right arrow key, begins.";
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
  const walk =
    walks.find(({ section }) => section.contains(event.target)) ??
    walks.find(({ section }) => section.getBoundingClientRect().bottom > innerHeight / 2);
  if (walk === undefined) return;
  event.preventDefault();
  walk.actions[action]();
});
`;
