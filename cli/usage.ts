/** A wrong command line: main exits with 2, as for an unknown option. */
export class UsageError extends Error {}

/** What is typed by habit, from other tools or Pulumi, and the command that does it here. */
export const HABITS: Readonly<Record<string, (stack: string) => string>> = {
  create: (stack) => `npm start -- ${stack}`,
  delete: (stack) => `npm run pulumi -- destroy -s ${stack}`,
  destroy: (stack) => `npm run pulumi -- destroy -s ${stack}`,
  down: (stack) => `npm run pulumi -- destroy -s ${stack}`,
  kubeconfig: (stack) => `npx cilium-modes env ${stack}`,
  list: () => "npx cilium-modes status",
  ls: () => "npx cilium-modes status",
  output: (stack) => `npm run pulumi -- stack output -s ${stack}`,
  preview: (stack) => `npm run pulumi -- preview -s ${stack}`,
  refresh: (stack) => `npm run pulumi -- refresh -s ${stack}`,
  start: (stack) => `npm start -- ${stack}`,
  up: (stack) => `npm start -- ${stack}`,
};
