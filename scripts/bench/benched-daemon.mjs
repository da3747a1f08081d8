// The compiled daemon alone in its process, as a child of bench.ts: runs with the configuration that it is sent, and
// answers with what each frame took.
import { pathToFileURL } from "node:url";
import { watchChildren } from "./child-usage.mjs";

const dist = pathToFileURL(`${process.argv[2]}/`);
const { keepNurserySmall } = await import(new URL("system/nursery.js", dist).href);
keepNurserySmall();
const { startDaemon } = await import(new URL("daemon/daemon.js", dist).href);
const { createLogger } = await import(new URL("base/log.js", dist).href);

/** Milliseconds between two looks at the peak of the children's memory. */
const LOOKS_AT_CHILDREN = 200;

process.once("message", async (config) => {
  const stages = { decode: 0, detect: 0, track: 0, classify: 0, publish: 0, annotate: 0 };
  const latencies = [];
  let faces = 0;
  let begun;
  let usedBefore;
  let used = 0;
  let ended = 0;
  const children = watchChildren();
  const looks = setInterval(children.sample, LOOKS_AT_CHILDREN);
  let childrenBefore = { cpuMs: 0, readerMs: 0 };
  const childrenNow = () => {
    children.sample();
    return { cpuMs: children.cpuMs(), readerMs: children.readerMs() };
  };
  try {
    const daemon = await startDaemon({
      config,
      logger: createLogger("error"),
      signal: new AbortController().signal,
      environment: process.env,
      onStage: (stage, milliseconds) => {
        if (begun === undefined) {
          begun = performance.now() - milliseconds;
          usedBefore = process.cpuUsage();
          childrenBefore = childrenNow();
        }
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
    clearInterval(looks);
    const { cpuMs, readerMs } = childrenNow();
    const measured = {
      stages,
      latencies,
      faces,
      seconds: (ended - (begun ?? ended)) / 1000,
      cpuMs: used + cpuMs - childrenBefore.cpuMs,
      readerMs: readerMs - childrenBefore.readerMs,
      peakRssMiB: process.resourceUsage().maxRSS / 1024 + children.peakRssMiB(),
    };
    process.send(measured, () => process.exit(0));
  } catch (error) {
    process.send({ error: error.message }, () => process.exit(1));
  }
});
