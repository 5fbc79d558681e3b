import tseslint from "typescript-eslint";

// .dependency-cruiser.mjs holds the boundaries of imports
const ENVIRONMENT = {
  selector:
    "MemberExpression[object.name='process']:matches([property.name='env'], [property.value='env'])," +
    "VariableDeclarator[init.name='process'] > ObjectPattern > Property[key.name='env']",
  message:
    "Only settings.ts, settings/kubeconfig.ts, host/, cli/environment.ts, scripts/, bench/ and tests/ read the environment",
};
const CONFIGURATION = {
  selector: "NewExpression:matches([callee.name='Config'], [callee.property.name='Config'])",
  message: "Only settings.ts reads Pulumi's configuration",
};
const A_MODE = ":matches(Identifier[name='mode'], MemberExpression[property.name='mode'])";
const MODES = {
  selector: `BinaryExpression[operator=/^[!=]==?$/]:not([right.name='undefined']) > ${A_MODE}, SwitchStatement > ${A_MODE}.discriminant`,
  message: "Add what depends on the mode to MODE_CONTRACTS in modes/contract.ts instead of comparing modes",
};

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
      // what few commands need is required when they run: host/tsx.cjs does not support import() of this project
      "@typescript-eslint/no-require-imports": ["error", { allow: ["^\\.\\.?/"] }],
      "no-restricted-syntax": ["error", ENVIRONMENT, CONFIGURATION, MODES],
    },
  },
  {
    files: ["settings.ts", "settings/kubeconfig.ts", "cli/environment.ts"],
    rules: { "no-restricted-syntax": ["error", MODES] },
  },
  { files: ["host/**"], rules: { "no-restricted-syntax": ["error", CONFIGURATION, MODES] } },
  { files: ["**/*.cjs"], rules: { "@typescript-eslint/no-require-imports": "off" } },
  { files: ["tests/**", "bench/**"], rules: { "no-restricted-syntax": "off" } },
  // an example is another stack's program, with its own configuration
  { files: ["examples/**"], rules: { "no-restricted-syntax": ["error", ENVIRONMENT] } },
);
