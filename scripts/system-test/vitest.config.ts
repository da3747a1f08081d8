import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ["*.test.ts"],
    pool: "forks",
    // One machine, and a story from installation to purge: each step needs the one before.
    sequence: { concurrent: false },
    bail: 0,
    testTimeout: 900_000,
    hookTimeout: 1_200_000,
  },
});
