/** Graphviz's own markup, so that nothing in a name is taken for an escape of its plain labels. */
export function rowsLabel(rows: readonly string[], margin = 0) {
  const cells = rows.map(
    (row) => `<TR>${gap(margin)}<TD ALIGN="LEFT">${row.trim() === "" ? "&#160;" : row}</TD>${gap(margin)}</TR>`,
  );
  return { html: `<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">${cells.join("")}</TABLE>` };
}

function gap(width: number): string {
  return width === 0 ? "" : `<TD FIXEDSIZE="TRUE" WIDTH="${width}" HEIGHT="1"></TD>`;
}
