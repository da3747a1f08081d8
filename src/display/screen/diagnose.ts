import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { pipelineElements, secretsIn } from "../../base/secrets.js";
import { type DisplayFault, MISSING_TOOL, missingElement } from "./fault.js";
import { type Machine, probe, THIS_MACHINE } from "./monitor.js";
import { AUTO_ORDER, ELEMENT_OF, type NamedSink, parseSink } from "./sink.js";

const run = promisify(execFile);

const PASSWORD_IN_LISTING =
  "there is a password in display.sink, and every user of this machine can read it in the list of processes";

export interface Diagnosis {
  /** `warn`: nothing is shown now, and that is no fault of the installation (no monitor, `auto` without a display). */
  readonly level: "ok" | "warn" | "fail";
  /** What was found, with the cure where something is wrong. */
  readonly message: string;
}

/** Looks whether a sink could show pictures, without showing any: for `emotiond doctor`. Never rejects. */
export async function diagnose(sinkText: string, machine: Machine = THIS_MACHINE): Promise<Diagnosis> {
  const sink = parseSink(sinkText);
  if (sink.kind === "none") return { level: "ok", message: "display.sink is none: no picture is shown" };
  if (!(await succeeds("gst-launch-1.0", ["--version"]))) return failed(MISSING_TOOL);
  if (sink.kind === "custom") {
    const names = pipelineElements(sink.pipeline);
    for (const name of names.filter((word) => /^[a-z][a-z0-9]*$/.test(word))) {
      if (!(await hasElement(name))) return failed(missingElement(name));
    }
    const message = `GStreamer has the elements of: ${names.join(" ! ")}`;
    // gst-launch-1.0 takes a pipeline as arguments alone.
    return secretsIn(sink.pipeline).length === 0
      ? { level: "ok", message }
      : { level: "warn", message: `${message}; ${PASSWORD_IN_LISTING}` };
  }
  if (sink.kind !== "auto") return diagnoseNamed(sink.kind, machine);
  for (const name of AUTO_ORDER) {
    const found = await diagnoseNamed(name, machine);
    if (found.level === "ok") return { level: "ok", message: `auto: ${found.message}` };
  }
  return {
    level: "warn",
    message: "auto finds no monitor, no Wayland, no X and no framebuffer: nothing is shown",
  };
}

async function diagnoseNamed(name: NamedSink, machine: Machine): Promise<Diagnosis> {
  const element = ELEMENT_OF[name];
  if (!(await hasElement(element))) return failed(missingElement(element));
  const found = probe(name, machine);
  if ("fault" in found) {
    return { level: found.fault.code === "no-monitor" ? "warn" : "fail", message: found.fault.message };
  }
  const { output } = found;
  const where = output.kind === "kms" ? ` on ${output.card} (${output.driver ?? "unknown driver"})` : "";
  return {
    level: "ok",
    message: `${name}${where}, pictures of ${output.canvas.width}×${output.canvas.height}`,
  };
}

const failed = ({ message }: DisplayFault): Diagnosis => ({ level: "fail", message });

const hasElement = (name: string) => succeeds("gst-inspect-1.0", ["--exists", name]);

async function succeeds(program: string, args: readonly string[]): Promise<boolean> {
  try {
    await run(program, args, { timeout: 20_000 });
    return true;
  } catch {
    return false;
  }
}
