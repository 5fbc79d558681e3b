import tseslint from "typescript-eslint";

const restrict = (...patterns) => ["error", { patterns }];
const PROCESSES = {
  group: ["child_process", "node:child_process"],
  message: "Processes are started by providers/kind/exec.ts, imageImport.ts, scripts/, bench/ and tests/ only",
};
const PULUMI = { group: ["@pulumi/*"], message: "Pure knowledge and evidence know nothing of Pulumi" };
const CLUSTER = {
  group: ["@kubernetes/client-node"],
  allowTypeImports: true,
  message: "The API server is reached by the folder cluster/ only",
};
const ENVIRONMENT = {
  selector:
    "MemberExpression[object.name='process']:matches([property.name='env'], [property.value='env'])," +
    "VariableDeclarator[init.name='process'] > ObjectPattern > Property[key.name='env']",
  message:
    "The environment is read in settings.ts, settings/kubeconfig.ts, providers/kind/, cli/environment.ts, scripts/, bench/ and tests/ only",
};
const CONFIGURATION = {
  selector: "NewExpression:matches([callee.name='Config'], [callee.property.name='Config'])",
  message: "Configuration is read in settings.ts only",
};
const A_MODE = ":matches(Identifier[name='mode'], MemberExpression[property.name='mode'])";
const MODES = {
  selector: `BinaryExpression[operator=/^[!=]==?$/]:not([right.name='undefined']) > ${A_MODE}, SwitchStatement > ${A_MODE}.discriminant`,
  message: "What depends on the mode stands in modes/contract.ts",
};
const LATE_PROCESSES = { selector: "ImportExpression[source.value=/child_process$/]", message: PROCESSES.message };
const syntax = (...selectors) => ["error", LATE_PROCESSES, ...selectors];

export default tseslint.config(
  { ignores: ["**/node_modules/", ".cilium-modes/", "dist/", "**/*.js"] },
  ...tseslint.configs.recommended,
  {
    files: ["**/*.ts"],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/await-thenable": "error",
      "@typescript-eslint/no-unused-vars": ["error", { ignoreRestSiblings: true }],
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/no-restricted-imports": restrict(PROCESSES, CLUSTER),
      "no-restricted-syntax": syntax(ENVIRONMENT, CONFIGURATION, MODES),
    },
  },
  {
    files: ["modes/**", "settings/**", "datapath/**", "compare/**", "render/**", "cli/**"],
    rules: { "@typescript-eslint/no-restricted-imports": restrict(PROCESSES, CLUSTER, PULUMI) },
  },
  {
    files: ["cluster/**"],
    rules: { "@typescript-eslint/no-restricted-imports": restrict(PROCESSES, PULUMI) },
  },
  {
    files: ["settings.ts", "settings/kubeconfig.ts", "cli/environment.ts"],
    rules: { "no-restricted-syntax": syntax(MODES) },
  },
  { files: ["providers/kind/**"], rules: { "no-restricted-syntax": syntax(CONFIGURATION, MODES) } },
  {
    files: ["providers/kind/exec.ts", "providers/kind/imageImport.ts"],
    rules: { "@typescript-eslint/no-restricted-imports": restrict(CLUSTER, PULUMI) },
  },
  {
    files: ["tests/**", "bench/**"],
    rules: { "no-restricted-syntax": "off", "@typescript-eslint/no-restricted-imports": "off" },
  },
  // an example is another stack's program, with a configuration of its own
  {
    files: ["examples/**"],
    rules: {
      "no-restricted-syntax": syntax(ENVIRONMENT),
      "@typescript-eslint/no-restricted-imports": restrict(CLUSTER),
    },
  },
);
