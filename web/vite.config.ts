import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

// Where the development server finds a running `myelin demo`.
const server = process.env["MYELIN_URL"] ?? "http://127.0.0.1:8008";

/** Names the script in the page that fetches the sentences beside the app and not after it. */
function earlyWords(): Plugin {
  return {
    name: "early-words",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler: (_html, { bundle }) => {
        const chunk = Object.values(bundle ?? {}).find((one) => one.type === "chunk" && one.isEntry && one.name === "early");
        if (chunk === undefined) throw new Error("the page has no early script");
        return [{ tag: "script", attrs: { type: "module", async: true, crossorigin: true, src: `/${chunk.fileName}` }, injectTo: "head" }];
      },
    },
  };
}

/** What the page needs before anything is drawn is one file and not thirty: each costs a slow line another way there and back. */
function firstChunk(): { readonly plugin: Plugin; readonly has: (id: string) => boolean } {
  const first = new Set<string>();
  const plugin: Plugin = {
    name: "first-chunk",
    apply: "build",
    buildEnd() {
      const follow = (id: string): void => {
        if (first.has(id)) return;
        first.add(id);
        for (const next of this.getModuleInfo(id)?.importedIds ?? []) follow(next);
      };
      for (const id of this.getModuleIds()) if (id.endsWith("/src/main.tsx")) follow(id);
    },
  };
  return { plugin, has: (id) => first.has(id) };
}

const first = firstChunk();
/** What the early script shares with the app, and so must not wait for it. */
const early = /\/src\/(i18n\/language|store\/(Preferences|Store))\.ts$|preload-helper/;

export default defineConfig({
  plugins: [react(), earlyWords(), first.plugin],
  build: {
    target: "es2022",
    sourcemap: false,
    assetsInlineLimit: 0, // no data: URLs, the content security policy forbids them
    chunkSizeWarningLimit: 1500,
    rollupOptions: {
      input: { index: "index.html", early: "src/i18n/early.ts", sw: "src/worker/sw.ts" },
      output: {
        entryFileNames: ({ name }) => (name === "sw" ? "sw.js" : "assets/[name]-[hash].js"),
        codeSplitting: {
          groups: [
            { name: "words", test: early, priority: 2 },
            { name: "first", test: first.has, priority: 1 },
          ],
        },
      },
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
