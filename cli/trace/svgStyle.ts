/** Style of a picture's elements. */
export const TRACE_SVG_STYLE = `
.trace text { fill: var(--ink); font-family: Helvetica, Arial, "Liberation Sans", Arimo, "Nimbus Sans", sans-serif; font-size: 12px; }
.trace .paper { fill: var(--paper); }
.trace .frame path, .trace .frame polygon { fill: none; stroke: var(--line); }
.trace .machine path, .trace .machine polygon { fill: var(--ground); }
.trace .frame.pod path, .trace .frame.pod polygon { fill: var(--paper); }
.trace .station path, .trace .station polygon, .trace .station rect { fill: var(--paper); stroke: var(--ink); }
.trace .station.unseen path, .trace .station.unseen polygon, .trace .station.unseen rect { stroke: var(--line); stroke-dasharray: 2,3; }
.trace .station.unseen text { fill: var(--muted); }
.trace .station.different path, .trace .station.different polygon { stroke: var(--different); stroke-width: 2.5; stroke-dasharray: 7,3; }
.trace .station.different text, .trace .lost text { fill: var(--different); }
.trace .end ellipse, .trace .end polygon { fill: var(--ground); stroke: var(--ink); }
.trace .lost polygon { stroke: var(--different); stroke-width: 2.5; }
.trace .hop path, .trace .arrival path { fill: none; stroke-width: 1.6; }
.trace .request path { stroke: var(--request); }
.trace .request polygon { fill: var(--request); stroke: var(--request); }
.trace .reply path { stroke: var(--reply); }
.trace .reply polygon { fill: var(--reply); stroke: var(--reply); }
.trace .hop text { paint-order: stroke; stroke: var(--ground); stroke-width: 4px; stroke-linejoin: round; }
.trace .hop.request text { fill: var(--request); }
.trace .hop.reply text { fill: var(--reply); }
.trace .hop.different path { stroke: var(--different); stroke-width: 2.5; }
.trace .hop.different polygon { fill: var(--different); stroke: var(--different); }
.trace .hop.different text { fill: var(--different); }
.trace .hop.current path { stroke-width: 4.5; }
.trace .station.current path, .trace .station.current polygon { fill: var(--current); stroke-width: 3; }
.trace .station:focus-visible { outline: none; }
.trace .station:focus-visible path, .trace .station:focus-visible polygon { stroke: var(--request); stroke-width: 3.5; }
`;
