// This project's own rules for oxlint, by selectors of ESTree: https://eslint.org/docs/latest/extend/selectors
// (.dependency-cruiser.mjs holds the boundaries of imports)

const A_MODE = ":matches(Identifier[name='mode'], MemberExpression[property.name='mode'])";

const RULES = {
  environment: {
    selectors: [
      "MemberExpression[object.name='process']:matches([property.name='env'], [property.value='env'])",
      "VariableDeclarator[init.name='process'] > ObjectPattern > Property[key.name='env']",
    ],
    message:
      "Only settings.ts, settings/kubeconfig.ts, host/, cli/environment.ts, scripts/, bench/ and tests/ read the environment",
  },
  configuration: {
    selectors: ["NewExpression:matches([callee.name='Config'], [callee.property.name='Config'])"],
    message: "Only settings.ts reads Pulumi's configuration",
  },
  modes: {
    selectors: [`BinaryExpression[operator=/^[!=]==?$/] > ${A_MODE}`, `SwitchStatement > ${A_MODE}.discriminant`],
    isAllowed: ({ parent }) => parent.right?.name === "undefined",
    message: "Add what depends on the mode to MODE_CONTRACTS in modes/contract.ts instead of comparing modes",
  },
};

const report =
  (context, { isAllowed = () => false, message }) =>
  (node) => {
    if (!isAllowed(node)) context.report({ node, message });
  };

export default {
  meta: { name: "project" },
  rules: Object.fromEntries(
    Object.entries(RULES).map(([name, rule]) => [
      name,
      {
        create: (context) => Object.fromEntries(rule.selectors.map((selector) => [selector, report(context, rule)])),
      },
    ]),
  ),
};
