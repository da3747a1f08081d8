import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createConnection, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Result {
  readonly code: number;
  readonly out: string;
}

/** A virtual device under QEMU, driven through its guest agent and its monitor. */
export interface Machine {
  /** Runs a shell script as root. */
  sh(script: string, seconds?: number): Promise<Result>;
  /** Runs a shell script that must succeed, and returns what it printed. */
  must(script: string, seconds?: number): Promise<string>;
  /** What the monitor shows, as a PNG file. */
  screenshot(file: string): Promise<void>;
  /** Pulls the network plug, or puts it back. */
  network(on: boolean): Promise<void>;
  /** Restarts it and waits until it answers again. */
  reboot(): Promise<void>;
  powerOff(): Promise<void>;
}

export interface MachineOptions {
  /** From base-image: root.qcow2, vmlinuz, initrd.img. */
  readonly base: string;
  /** For sockets, the console's log and what is written to the disk. */
  readonly work: string;
  /** Shared read-only as /deb. */
  readonly share: string;
}

/** Where the machine sees the host's 127.0.0.1. */
export const HOST_ADDRESS = "10.0.2.2";

const BOOT_SECONDS = 480;

/** Boots a machine from a throw-away copy of the base image. */
export async function boot({ base, work, share }: MachineOptions): Promise<Machine> {
  const disk = join(work, "disk.qcow2");
  await rm(disk, { force: true });
  await run("qemu-img", ["create", "-q", "-f", "qcow2", "-b", join(base, "root.qcow2"), "-F", "qcow2", disk]);

  const agentSocket = join(work, "agent.sock");
  const monitorSocket = join(work, "monitor.sock");
  const qemu = spawn(
    "qemu-system-x86_64",
    [
      // KVM is there in some sandboxes, and hangs; emulation works everywhere.
      ...["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048"],
      ...["-kernel", join(base, "vmlinuz"), "-initrd", join(base, "initrd.img")],
      // On a busy host the emulated timer is late, and the kernel would take it for broken.
      ...["-append", "root=/dev/vda rw console=ttyS0 net.ifnames=0 no_timer_check"],
      // A throw-away disk need not be safe: dpkg syncs each of its files.
      ...["-drive", `file=${disk},if=virtio,cache=unsafe`],
      ...["-netdev", "user,id=lan", "-device", "virtio-net-pci,netdev=lan,id=plug"],
      ...["-vga", "none", "-device", "virtio-gpu-pci,xres=1280,yres=720", "-display", "none"],
      ...["-device", "virtio-serial", "-chardev", `socket,path=${agentSocket},server=on,wait=off,id=agent`],
      ...["-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"],
      ...["-virtfs", `local,path=${share},mount_tag=deb,security_model=none,readonly=on`],
      ...["-qmp", `unix:${monitorSocket},server=on,wait=off`],
      ...["-serial", `file:${join(work, "console.log")}`],
    ],
    { stdio: ["ignore", "inherit", "inherit"] },
  );

  const monitor = await openChannel(monitorSocket, qemu);
  await monitor.ask("qmp_capabilities");
  let agent = await openChannel(agentSocket, qemu);
  try {
    await answers(agent);
    await mountShare();
  } catch (error) {
    qemu.kill("SIGKILL");
    throw error;
  }

  async function mountShare(): Promise<void> {
    await must("mountpoint -q /deb || mount -t 9p -o trans=virtio,version=9p2000.L,ro deb /deb");
  }

  async function sh(script: string, seconds = 240): Promise<Result> {
    const { pid } = (await agent.ask("guest-exec", {
      path: "/bin/sh",
      arg: ["-c", `exec 2>&1\n${script}`],
      "capture-output": true,
    })) as { pid: number };
    const until = performance.now() + seconds * 1000;
    for (let wait = 50; performance.now() < until; wait = Math.min(wait * 1.5, 500)) {
      const status = (await agent.ask("guest-exec-status", { pid })) as {
        exited: boolean;
        exitcode?: number;
        "out-data"?: string;
      };
      if (status.exited) {
        const out = Buffer.from(status["out-data"] ?? "", "base64").toString("utf8");
        return { code: status.exitcode ?? -1, out };
      }
      await sleep(wait);
    }
    throw new Error(`still running after ${seconds} s: ${script}`);
  }

  async function must(script: string, seconds?: number): Promise<string> {
    const { code, out } = await sh(script, seconds);
    if (code !== 0) throw new Error(`exit code ${code}: ${script}\n${out}`);
    return out.trim();
  }

  return {
    sh,
    must,
    async screenshot(file) {
      await monitor.ask("screendump", { filename: file, format: "png" });
    },
    async network(on) {
      await monitor.ask("set_link", { name: "plug", up: on });
    },
    async reboot() {
      const before = await must("cat /proc/sys/kernel/random/boot_id");
      // The agent goes down with the machine, and does not answer this.
      await Promise.race([sh("systemctl reboot").catch(() => {}), sleep(3000)]);
      const until = performance.now() + BOOT_SECONDS * 1000;
      for (;;) {
        if (performance.now() > until) throw new Error("the machine does not come back");
        agent.close();
        agent = await openChannel(agentSocket, qemu);
        try {
          await answers(agent, 20);
          const now = await Promise.race([must("cat /proc/sys/kernel/random/boot_id"), sleep(10_000)]);
          if (now !== undefined && now !== before) break;
        } catch {
          // It is on its way down, or up.
        }
        await sleep(1000);
      }
      await mountShare();
    },
    async powerOff() {
      const gone = once(qemu, "exit");
      qemu.kill("SIGTERM");
      await gone;
    },
  };
}

/** The agent answers once its service has started. */
async function answers(agent: Channel, seconds = BOOT_SECONDS): Promise<void> {
  const until = performance.now() + seconds * 1000;
  while (performance.now() < until) {
    const answer = await Promise.race([agent.ask("guest-ping"), sleep(2000, "silence")]);
    if (answer !== "silence") return;
  }
  throw new Error("the machine does not answer");
}

interface Channel {
  ask(command: string, args?: Record<string, unknown>): Promise<unknown>;
  close(): void;
}

/** QEMU's monitor and its guest agent speak the same: a JSON object a line, answers in order. */
async function openChannel(path: string, qemu: ChildProcess): Promise<Channel> {
  const socket = await connect(path, qemu);
  let serial = 0;
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  createInterface({ input: socket }).on("line", (line) => {
    const answer = parse(line);
    if (answer?.id === undefined) return;
    const question = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (answer.error === undefined) question?.resolve(answer.return);
    else question?.reject(new Error(answer.error.desc));
  });
  socket.on("error", () => {});
  return {
    ask(execute, args) {
      serial += 1;
      const id = serial;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        socket.write(`${JSON.stringify({ execute, arguments: args, id })}\n`);
      });
    },
    close: () => void socket.destroy(),
  };
}

interface Answer {
  id?: number;
  return?: unknown;
  error?: { desc: string };
}

function parse(line: string): Answer | undefined {
  try {
    return JSON.parse(line) as Answer;
  } catch {
    // What was left of an answer when the agent was restarted.
    return undefined;
  }
}

async function connect(path: string, qemu: ChildProcess): Promise<Socket> {
  for (;;) {
    if (qemu.exitCode !== null) throw new Error(`QEMU ended with ${qemu.exitCode}`);
    const socket = createConnection(path);
    try {
      await once(socket, "connect");
      return socket;
    } catch {
      await sleep(100);
    }
  }
}
