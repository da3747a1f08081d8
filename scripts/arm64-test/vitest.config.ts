import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ["*.test.ts"],
    pool: "forks",
    testTimeout: 120_000,
    // The package is built and the machine boots before the first test.
    hookTimeout: 3_600_000,
  },
});
