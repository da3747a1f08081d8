import { execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** What is run in the machine, one after the other. */
export interface Step {
  /** A word. */
  readonly name: string;
  readonly command: string;
  readonly seconds: number;
}

export interface Outcome {
  readonly code: number;
  readonly seconds: number;
  readonly out: string;
  readonly err: string;
}

export interface MachineRun {
  /** From power-on to the first step. */
  readonly bootSeconds: number;
  readonly seconds: number;
  readonly outcomes: ReadonlyMap<string, Outcome>;
}

export interface MachineOptions {
  /** QEMU's name of it. */
  readonly processor: string;
  readonly kernel: string;
  /** Archives of files, unpacked over each other into the machine's memory. */
  readonly archives: readonly string[];
  readonly steps: readonly Step[];
  /** A folder for what is made on the way. */
  readonly work: string;
  /** After this it is ended, whatever it does. */
  readonly seconds: number;
}

/** Packs a folder's files, owned by root, for {@link runMachine}. */
export function pack(folder: string, archive: string): void {
  execFileSync(
    "sh",
    ["-c", 'cd "$1" && find . -print0 | cpio --quiet --null -o -H newc -R 0:0 >"$2"', "sh", folder, archive],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
}

/**
 * Boots an ARM machine under QEMU, runs the steps, and powers off.
 *
 * @throws if it did not reach its end, with the end of what it printed
 */
export async function runMachine(options: MachineOptions): Promise<MachineRun> {
  const { processor, kernel, archives, steps, work } = options;
  const all = join(work, "initrd.cpio");
  const own = join(work, "init");
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, "init"), initScript(steps));
  chmodSync(join(own, "init"), 0o755);
  pack(own, join(work, "init.cpio"));
  // The kernel unpacks archives that follow each other.
  execFileSync("sh", [
    "-c",
    'all=$1; shift; cat "$@" >"$all"',
    "sh",
    all,
    ...archives,
    join(work, "init.cpio"),
  ]);

  const start = performance.now();
  const qemu = spawn(
    "qemu-system-aarch64",
    [
      ...["-M", "virt", "-accel", "tcg,thread=multi", "-cpu", processor, "-smp", "2", "-m", "3072"],
      ...["-kernel", kernel, "-initrd", all, "-append", "console=ttyAMA0 quiet loglevel=1 panic=-1"],
      ...["-nographic", "-monitor", "none", "-serial", "stdio", "-nic", "none", "-no-reboot"],
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const limit = setTimeout(() => qemu.kill("SIGKILL"), options.seconds * 1000);
  const lines: string[] = [];
  let bootSeconds = Number.NaN;
  try {
    for await (const line of createInterface({ input: qemu.stdout })) {
      const text = line.replace(/\r+$/, "");
      if (text === BOOTED) bootSeconds = (performance.now() - start) / 1000;
      lines.push(text);
    }
  } finally {
    clearTimeout(limit);
  }
  const outcomes = parse(lines);
  if (outcomes.size !== steps.length) {
    const tail = lines.slice(-30).join("\n");
    throw new Error(`the machine ended after ${outcomes.size} of ${steps.length} steps:\n${tail}`);
  }
  return { bootSeconds, seconds: (performance.now() - start) / 1000, outcomes };
}

const BOOTED = "@@ booted";

/** The machine's first and only service. The last thing of each step is a line with its numbers. */
function initScript(steps: readonly Step[]): string {
  return `#!/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
busybox mkdir -p /proc /sys /dev /tmp /run /root
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
echo 0 >/proc/sys/kernel/printk
busybox hostname device
busybox ip link set lo up
[ -e /bin/sh ] || busybox ln -s busybox /bin/sh
now() { busybox cut -d' ' -f1 /proc/uptime; }
step() {
  from=$(now)
  busybox timeout -s KILL "$2" /bin/sh -c "$3" </dev/null >/tmp/out 2>/tmp/err
  code=$?
  to=$(now)
  # What a step that was ended has left behind would hold its ports.
  kill -9 -1 2>/dev/null
  echo "@@ out $1"
  busybox cat /tmp/out
  echo
  echo "@@ err $1"
  busybox cat /tmp/err
  echo
  echo "@@ end $1 $code $from $to"
}
echo "${BOOTED}"
${steps.map(({ name, command, seconds }) => `step ${name} ${seconds} ${quoted(command)}`).join("\n")}
busybox poweroff -f
`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

function parse(lines: readonly string[]): Map<string, Outcome> {
  const outcomes = new Map<string, Outcome>();
  let out: string[] = [];
  let err: string[] = [];
  let current: string[] = [];
  for (const line of lines) {
    const [, mark, name = "", code, from, to] =
      /^@@ (out|err|end) (\w+)(?: (\d+) (\S+) (\S+))?$/.exec(line) ?? [];
    if (mark === "out") current = out = [];
    else if (mark === "err") current = err = [];
    else if (mark === "end") {
      const text = (part: readonly string[]) => part.join("\n").trim();
      const seconds = Number(to) - Number(from);
      outcomes.set(name, { code: Number(code), seconds, out: text(out), err: text(err) });
    } else current.push(line);
  }
  return outcomes;
}
