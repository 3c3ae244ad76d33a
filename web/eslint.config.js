import hooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

import { noLiteralText } from "./scripts/eslint-no-literal-text.js";

/** What a layer may not import, and the sentence that says why. */
function forbid(...patterns) {
  return ["error", { patterns: patterns.map(([group, message]) => ({ group, message })) }];
}

const sdk = [["matrix-js-sdk", "matrix-js-sdk/*", "@matrix-org/*"], "Only client/ talks to the server."];
const react = [["react", "react-dom", "react-dom/*", "react-intl", "*.tsx"], "This layer knows no React."];

export default tseslint.config(
  { ignores: ["dist", "node_modules", "test-results"] },
  ...tseslint.configs.strict,
  {
    files: ["**/*.{ts,tsx}"],
    plugins: { "react-hooks": hooks, ours: { rules: { "no-literal-text": noLiteralText } } },
    rules: {
      ...hooks.configs.recommended.rules,
      "ours/no-literal-text": "error",
      "max-lines": ["error", { max: 500 }],
      "no-restricted-exports": ["error", { restrictDefaultExports: { direct: true, named: true } }],
      "@typescript-eslint/no-non-null-assertion": "error",
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
      "@typescript-eslint/no-import-type-side-effects": "error",
      "no-console": "error",
      eqeqeq: "error",
    },
  },
  { files: ["vite.config.ts", "e2e/vitest.config.ts", "bench/vitest.config.ts"], rules: { "no-restricted-exports": "off" } },
  { files: ["src/**"], ignores: ["src/client/**"], rules: { "no-restricted-imports": forbid(sdk) } },
  {
    files: ["src/ui/**"],
    ignores: ["**/*.test.tsx"],
    rules: { "no-restricted-imports": forbid(sdk, [["../*", "!./*"], "ui/ imports nothing of ours."]) },
  },
  {
    files: ["src/store/**"],
    rules: {
      "no-restricted-imports": forbid(sdk, react, [
        ["**/client/**", "**/features/**", "**/ui/**", "**/actions/**", "**/i18n/**"],
        "store/ imports only store/.",
      ]),
    },
  },
  {
    files: ["src/client/**"],
    rules: {
      "no-restricted-imports": forbid(react, [
        ["**/features/**", "**/ui/**", "**/actions/**", "**/i18n/**"],
        "client/ fills the stores and knows no screens.",
      ]),
    },
  },
  {
    files: ["src/features/**", "src/actions/**"],
    rules: {
      "no-restricted-imports": forbid(sdk, [["**/client/**"], "Screens read stores; only main.tsx meets client/."]),
    },
  },
  {
    files: ["src/features/**/*ViewModel.ts", "src/actions/**/*.ts"],
    rules: {
      "no-restricted-imports": forbid(sdk, react, [["**/client/**"], "Screens read stores; only main.tsx meets client/."]),
    },
  },
  { files: ["src/**/*.test.{ts,tsx}", "src/testing/**", "e2e/**", "bench/**"], rules: { "ours/no-literal-text": "off" } },
);
