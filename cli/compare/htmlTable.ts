import { escaped } from "../../render/html";
import type { Cell, Table, TableRow } from "./blocks";
import { MARKS } from "./format";
import { lookMark, type Look } from "./looks";

/** A table that scrolls by itself where it is wider than the page. */
export function htmlTable({ caption, heads, rows }: Table, looks: ReadonlyMap<string, Look>): string {
  const head = heads.map((text) => {
    const look = looks.get(text);
    return text === ""
      ? "<td></td>"
      : `<th scope="col">${look === undefined ? "" : lookMark(look)}${escaped(text)}</th>`;
  });
  return [
    `<div class="scroll" tabindex="0" role="region" aria-label="${escaped(caption)}">`,
    `<table><caption>${escaped(caption)}</caption>`,
    `<thead><tr>${head.join("")}</tr></thead><tbody>`,
    ...rows.map(rowOf),
    "</tbody></table></div>",
  ].join("\n");
}

function rowOf({ head, note, cells, bad = false }: TableRow): string {
  const explained = note === undefined ? "" : `<small>${escaped(note)}</small>`;
  const row = `<th scope="row">${escaped(head)}${explained}</th>${cells.map(cellOf).join("")}`;
  return `<tr${bad ? ' class="bad"' : ""}>${row}</tr>`;
}

function cellOf({ text, strong = false, unit, spread, ratio, outcome, noisy = false, alarm }: Cell): string {
  if (unit === undefined) return strong ? `<td><strong>${escaped(text)}</strong></td>` : `<td>${escaped(text)}</td>`;
  const compared =
    ratio === undefined || outcome === undefined
      ? ""
      : `<div class="ratio ${outcome.replaceAll(" ", "-")}"><span role="img" aria-label="${outcome}">${MARKS[outcome]}</span> ${escaped(ratio)}</div>`;
  return [
    `<td class="measured"><b>${escaped(text)}</b> ${escaped(unit)}`,
    spread === undefined ? "" : ` <small>${escaped(spread)}</small>`,
    noisy ? ' <span class="noisy">noisy</span>' : "",
    compared,
    alarm === undefined ? "" : `<strong class="alarm">${escaped(alarm)}</strong>`,
    "</td>",
  ].join("");
}
