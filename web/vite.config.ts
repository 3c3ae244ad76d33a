import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// Where the development server finds a running `myelin demo`.
const server = process.env["MYELIN_URL"] ?? "http://127.0.0.1:8008";

export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2022",
    sourcemap: false,
    assetsInlineLimit: 0, // no data: URLs, the content security policy forbids them
    chunkSizeWarningLimit: 1500,
    rollupOptions: {
      input: { index: "index.html", sw: "src/worker/sw.ts" },
      output: { entryFileNames: ({ name }) => (name === "sw" ? "sw.js" : "assets/[name]-[hash].js") },
    },
  },
  // The wasm is found through import.meta.url, which pre-bundling would break.
  optimizeDeps: { exclude: ["@matrix-org/matrix-sdk-crypto-wasm"] },
  server: {
    host: "127.0.0.1",
    proxy: Object.fromEntries(
      ["/_matrix", "/_myelin", "/.well-known"].map((path) => [path, { target: server }]),
    ),
  },
  test: {
    include: ["src/**/*.test.{ts,tsx}"],
    environment: "node",
    setupFiles: ["scripts/node20.mjs"],
  },
});
