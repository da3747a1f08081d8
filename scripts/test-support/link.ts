import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * A network of three namespaces: this process's with the broker, one with a router, and one with the clients. Whatever
 * happens to it, no socket hears of it: there is no reset and no farewell, and the kernels go on trying to send.
 *
 *     this process ── here │ near ── router ── far │ there ── clients
 *           └───────────────── watch │ watched ────────────────┘
 */
export interface Link {
  /** The broker's address, as clients reach it through the router. */
  readonly brokerHost: string;
  /** The clients' own address, to which this process has a way that never fails. */
  readonly clientHost: string;
  /** What runs a program among the clients; it is the program itself that has the process id. */
  readonly runner: readonly [string, ...string[]];
  /** Whether the kernel can make it slow. */
  readonly canBeSlow: boolean;
  /** The router passes nothing on any more. */
  dropPackets(): void;
  /** The clients' cable is pulled out. */
  pullCable(): void;
  /** The router takes so many milliseconds for a kilobyte, either way, and drops what does not fit into a short queue. */
  slowDown(msPerKilobyte: number): void;
  /** Everything passes again. */
  heal(): void;
  close(): void;
}

/** Milliseconds that a packet may wait for its turn on a slow link, beside one that is before it. */
const QUEUE_MS = 500;
/** Bytes that go at once: the largest packet must fit. */
const BURST = 1600;

/** Lays the link. This process must be in a network namespace of its own: see `ownNetwork`. */
export async function layLink(): Promise<Link> {
  const [router, clients] = await Promise.all([namespace(), namespace()]);
  const ip = (...args: string[]) => run("ip", ...args);
  const atRouter = (program: string, ...args: string[]) => run(...runnerOf(router), program, ...args);
  const atClients = (program: string, ...args: string[]) => run(...runnerOf(clients), program, ...args);
  const cable = (end: string, other: string, holder: ChildProcess) => [
    ...["link", "add", end, "type", "veth"],
    ...["peer", "name", other, "netns", String(holder.pid)],
  ];
  ip("link", "set", "lo", "up");
  ip(...cable("here", "near", router));
  ip(...cable("watch", "watched", clients));
  atRouter("ip", ...cable("far", "there", clients));
  ip("addr", "add", "10.91.0.1/24", "dev", "here");
  atRouter("ip", "addr", "add", "10.91.0.254/24", "dev", "near");
  atRouter("ip", "addr", "add", "10.92.0.254/24", "dev", "far");
  atClients("ip", "addr", "add", "10.92.0.1/24", "dev", "there");
  ip("addr", "add", "10.93.0.1/24", "dev", "watch");
  atClients("ip", "addr", "add", "10.93.0.2/24", "dev", "watched");
  for (const device of ["here", "watch"]) ip("link", "set", device, "up");
  for (const device of ["near", "far"]) atRouter("ip", "link", "set", device, "up");
  for (const device of ["lo", "there", "watched"]) atClients("ip", "link", "set", device, "up");
  ip("route", "add", "10.92.0.0/24", "via", "10.91.0.254");
  atClients("ip", "route", "add", "10.91.0.0/24", "via", "10.92.0.254");

  let [passes, plugged, slow] = [false, true, false];
  const pass = (on: boolean) => {
    if (passes !== on) atRouter("sh", "-c", `echo ${on ? 1 : 0} >/proc/sys/net/ipv4/ip_forward`);
    passes = on;
  };
  const plug = (on: boolean) => {
    if (plugged !== on) atRouter("ip", "link", "set", "far", on ? "up" : "down");
    plugged = on;
  };
  const shape = (device: string, bitsPerSecond: number) => [
    ...["qdisc", "replace", "dev", device, "root", "tbf"],
    ...["rate", `${bitsPerSecond}bit`, "burst", String(BURST), "latency", `${QUEUE_MS}ms`],
  ];
  const full = () => {
    if (slow) for (const device of ["near", "far"]) atRouter("tc", "qdisc", "del", "dev", device, "root");
    slow = false;
  };
  pass(true);
  const [first, ...rest] = [...runnerOf(router), "tc", ...shape("near", 8000)];
  slow = spawnSync(first, rest).status === 0;
  const canBeSlow = slow;
  if (slow) atRouter("tc", ...shape("far", 8000));
  full();

  return {
    brokerHost: "10.91.0.1",
    clientHost: "10.93.0.2",
    runner: runnerOf(clients),
    canBeSlow,
    dropPackets: () => pass(false),
    pullCable: () => plug(false),
    slowDown(msPerKilobyte) {
      const bitsPerSecond = Math.max(1, Math.round(8_000_000 / msPerKilobyte));
      for (const device of ["near", "far"]) atRouter("tc", ...shape(device, bitsPerSecond));
      slow = true;
    },
    heal() {
      pass(true);
      plug(true);
      full();
    },
    close() {
      router.kill();
      clients.kill();
    },
  };
}

/** A namespace that lasts as long as this process, at the most: its `cat` ends with what it reads from. */
async function namespace(): Promise<ChildProcess> {
  const holder = spawn("unshare", ["-n", "cat"], { stdio: ["pipe", "pipe", "inherit"] });
  // What comes back has been read in the new namespace.
  holder.stdin?.write("\n");
  await Promise.race([once(holder.stdout ?? holder, "data"), once(holder, "exit"), sleep(10_000)]);
  if (holder.exitCode !== null) throw new Error("there is no network namespace");
  return holder;
}

function runnerOf(holder: ChildProcess): readonly [string, ...string[]] {
  return ["nsenter", "-t", String(holder.pid), "-n"];
}

function run(program: string, ...args: readonly string[]): void {
  execFileSync(program, args, { stdio: ["ignore", "ignore", "inherit"] });
}
