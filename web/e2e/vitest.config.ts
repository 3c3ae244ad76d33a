import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: [process.env["MYELIN_TOUR"] === undefined ? "e2e/**/*.e2e.ts" : "e2e/tour.ts"],
    environment: "node",
    testTimeout: 240_000,
    hookTimeout: 240_000,
    fileParallelism: false, // each file has a server and browsers of its own
    bail: 1, // each step goes on from the one before
    sequence: { concurrent: false, shuffle: false },
  },
});
