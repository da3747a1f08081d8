import { spawnSync } from "node:child_process";

/** What runs a program in a network of its own, or why there is none. */
export type OwnNetwork =
  | { readonly possible: true; readonly runner: readonly [string, ...string[]] }
  | { readonly possible: false; readonly reason: string };

/**
 * Finds out whether a program can be given network and mounts of its own, which end with it, so that whatever it does
 * to them touches nothing else. As root, or where everyone may make user namespaces.
 */
export function ownNetwork(): OwnNetwork {
  const root = process.getuid?.() === 0;
  const runner = ["unshare", root ? "-nm" : "-rnm"] as const;
  const probe = "ip link add here type veth peer name near";
  const { status, error, stderr } = spawnSync(runner[0], [runner[1], ...probe.split(" ")], {
    encoding: "utf8",
  });
  if (status === 0) return { possible: true, runner };
  const reason = error?.message ?? stderr.trim().split("\n").at(-1) ?? "";
  return { possible: false, reason: root ? reason : `${reason} (root could)` };
}
