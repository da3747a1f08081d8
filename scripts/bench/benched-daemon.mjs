// The compiled daemon alone in its process, as a child of bench.ts: runs with the configuration that it is sent, and
// answers with what each frame took.
import { pathToFileURL } from "node:url";

const dist = pathToFileURL(`${process.argv[2]}/`);
const { keepNurserySmall } = await import(new URL("system/nursery.js", dist).href);
keepNurserySmall();
const { startDaemon } = await import(new URL("daemon.js", dist).href);
const { createLogger } = await import(new URL("system/log.js", dist).href);

process.once("message", async (config) => {
  const stages = { decode: 0, detect: 0, track: 0, classify: 0, publish: 0, annotate: 0 };
  const latencies = [];
  let faces = 0;
  let begun;
  let usedBefore;
  let used = 0;
  let ended = 0;
  try {
    const daemon = await startDaemon({
      config,
      logger: createLogger("error"),
      signal: new AbortController().signal,
      environment: process.env,
      onStage: (stage, milliseconds) => {
        begun ??= performance.now() - milliseconds;
        usedBefore ??= process.cpuUsage();
        stages[stage] += milliseconds;
      },
      onFrame: (_frame, latency, inView) => {
        ended = performance.now();
        const { user, system } = process.cpuUsage(usedBefore);
        used = (user + system) / 1000;
        latencies.push(latency);
        faces += inView;
      },
    });
    await daemon.finished;
    const peakRssMiB = process.resourceUsage().maxRSS / 1024;
    process.send(
      { stages, latencies, faces, seconds: (ended - (begun ?? ended)) / 1000, cpuMs: used, peakRssMiB },
      () => process.exit(0),
    );
  } catch (error) {
    process.send({ error: error.message }, () => process.exit(1));
  }
});
