import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/** A file system of a few megabytes, to be filled; a plain folder where it may not be mounted. */
export interface SmallDisk {
  readonly folder: string;
  readonly mounted: boolean;
  fill(): void;
  clear(): void;
  end(): void;
}

/** Mounts it at `folder`, which is made. It takes root. */
export function smallDisk(folder: string): SmallDisk {
  mkdirSync(folder);
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", folder]).status === 0;
  const ballast = join(folder, "ballast");
  return {
    folder,
    mounted,
    fill: () => void spawnSync("dd", ["if=/dev/zero", `of=${ballast}`, "bs=64k"], { stdio: "ignore" }),
    clear: () => rmSync(ballast, { force: true }),
    end() {
      if (mounted) spawnSync("umount", ["-l", folder]);
    },
  };
}
