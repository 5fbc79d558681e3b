const LIGHT = `--paper: #ffffff; --ground: #f4f6f8; --ink: #1b1f24; --muted: #57606a; --line: #8c959f;
  --request: #0b57d0; --reply: #7a3e00; --different: #b3261e; --current: #ffe08a;`;
const DARK = `--paper: #14181d; --ground: #1e242b; --ink: #e6e9ed; --muted: #a3adb8; --line: #6b7681;
  --request: #8ab4f8; --reply: #f0b072; --different: #ff8f85; --current: #463800;`;

/** The pictures' colours for a selector, in light and dark; text keeps a contrast of 4.5:1 against its ground in both. */
export function walkColours(selector: string): string {
  return `
${selector} { color-scheme: light dark; ${LIGHT} }
@media screen and (prefers-color-scheme: dark) { ${selector} { ${DARK} } }
`;
}

/** What the classes of a picture's elements look like. */
export const WALK_SVG_STYLE = `
.walk text { fill: var(--ink); font-family: Helvetica, Arial, "Liberation Sans", Arimo, "Nimbus Sans", sans-serif; font-size: 12px; }
.walk .paper { fill: var(--paper); }
.walk .frame path, .walk .frame polygon { fill: none; stroke: var(--line); }
.walk .machine path, .walk .machine polygon { fill: var(--ground); }
.walk .frame.pod path, .walk .frame.pod polygon { fill: var(--paper); }
.walk .station path, .walk .station polygon, .walk .station rect { fill: var(--paper); stroke: var(--ink); }
.walk .station.unseen path, .walk .station.unseen polygon, .walk .station.unseen rect { stroke: var(--line); stroke-dasharray: 2,3; }
.walk .station.unseen text { fill: var(--muted); }
.walk .station.different path, .walk .station.different polygon { stroke: var(--different); stroke-width: 2.5; stroke-dasharray: 7,3; }
.walk .station.different text, .walk .lost text { fill: var(--different); }
.walk .end ellipse, .walk .end polygon { fill: var(--ground); stroke: var(--ink); }
.walk .lost polygon { stroke: var(--different); stroke-width: 2.5; }
.walk .hop path, .walk .arrival path { fill: none; stroke-width: 1.6; }
.walk .request path { stroke: var(--request); }
.walk .request polygon { fill: var(--request); stroke: var(--request); }
.walk .reply path { stroke: var(--reply); }
.walk .reply polygon { fill: var(--reply); stroke: var(--reply); }
.walk .hop text { paint-order: stroke; stroke: var(--ground); stroke-width: 4px; stroke-linejoin: round; }
.walk .hop.request text { fill: var(--request); }
.walk .hop.reply text { fill: var(--reply); }
.walk .hop.different path { stroke: var(--different); stroke-width: 2.5; }
.walk .hop.different polygon { fill: var(--different); stroke: var(--different); }
.walk .hop.different text { fill: var(--different); }
.walk .hop.current path { stroke-width: 4.5; }
.walk .station.current path, .walk .station.current polygon { fill: var(--current); stroke-width: 3; }
.walk .station:focus-visible { outline: none; }
.walk .station:focus-visible path, .walk .station:focus-visible polygon { stroke: var(--request); stroke-width: 3.5; }
`;
