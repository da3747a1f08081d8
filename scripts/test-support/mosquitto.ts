import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Mosquitto {
  readonly port: number;
  readonly url: string;
  readonly folder: string;
  /** SIGKILL; what it kept in memory alone is gone. */
  kill(): Promise<void>;
  /** SIGTERM, and no restart: what persistence keeps stays. */
  terminate(): Promise<void>;
  /** Starts again on the same port, with what persistence kept. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  server.close();
  await once(server, "close");
  return address.port;
}

/** Settings of a broker that keeps sessions and their messages through a restart, and through SIGKILL. */
export const PERSISTENT: readonly string[] = [
  "allow_anonymous true",
  "persistence true",
  "persistence_location $FOLDER/",
  "autosave_on_changes true",
  "autosave_interval 1",
];

/** The same, and what it has acknowledged it has sent on: what it only queued would die with it. */
export const DURABLE_BROKER: readonly string[] = ["max_inflight_messages 0", ...PERSISTENT];

/** A real mosquitto on a free port of 127.0.0.1; `settings` are further lines of its configuration. */
export async function startMosquitto(
  settings: readonly string[] = ["allow_anonymous true"],
  givenPort?: number,
): Promise<Mosquitto> {
  const port = givenPort ?? (await freePort());
  const folder = mkdtempSync(join(tmpdir(), "emotiond-mosquitto-"));
  const file = join(folder, "mosquitto.conf");
  const websockets = settings.includes("protocol websockets");
  writeFileSync(
    file,
    [
      // A web socket listener cannot be bound to an address, and 2.0.11 does not start without another listener.
      websockets ? `listener ${port}` : `listener ${port} 127.0.0.1`,
      "log_dest stderr",
      // Started as root it would otherwise drop its rights, and could not read its own folder.
      "user root",
      "max_queued_messages 0",
      ...settings.map((line) => line.replaceAll("$FOLDER", folder)),
      ...(websockets ? [`listener ${await freePort()} 127.0.0.1`] : []),
      "",
    ].join("\n"),
  );
  let child = await launch(file, port);
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.kill(signal);
    await exit;
  };
  return {
    port,
    url: `mqtt://127.0.0.1:${port}`,
    folder,
    kill: () => end("SIGKILL"),
    terminate: () => end("SIGTERM"),
    async restart() {
      await end("SIGTERM");
      child = await launch(file, port);
    },
    async stop() {
      await end("SIGTERM");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function launch(file: string, port: number): Promise<ChildProcess> {
  const child = spawn("/usr/sbin/mosquitto", ["-c", file], { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr?.on("data", (text: Buffer) => {
    if (log.length < 10_000) log += text.toString();
  });
  for (let i = 0; i < 100; i++) {
    if (child.exitCode !== null) throw new Error(`mosquitto ended: ${log}`);
    if (await listens(port)) return child;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  child.kill("SIGKILL");
  throw new Error(`mosquitto does not listen: ${log}`);
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
