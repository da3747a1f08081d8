import { defineConfig } from "vitest/config";

/** What needs no broker, camera, screen or network, and is done within a minute: `npm run check`. */
const QUICK = [
  "test/{config,emotion,events,package,system}/**/*.test.ts",
  "test/camera/{masks,polygon,slot}.test.ts",
  "test/mqtt/{api,fifo,pure,verdict}.test.ts",
  "test/setup/workflows.test.ts",
  "test/train/{command,data,folder,metrics}.test.ts",
  "test/vision/{assignment,grouping,motion,schedule,thumbnail,tracker}.test.ts",
];

export default defineConfig(({ mode }) => ({
  test: {
    include: mode === "quick" ? QUICK : ["test/**/*.test.ts"],
    // The OpenCV addon is a nan addon: it loads once a process and not in worker threads.
    pool: "forks",
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
}));
