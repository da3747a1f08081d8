import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { basename, dirname, isAbsolute, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Where systemd tells of its units and keeps credentials; tests give folders of their own. */
export interface ServiceManager {
  /** The folder of the services' configurations. */
  readonly configFolder: string;
  /** Where systemd looks for a credential that a unit names without a path, in its order. */
  readonly stores: readonly string[];
  /** What a `systemctl` with these arguments prints; rejects where there is none. */
  systemctl(...args: string[]): Promise<string>;
}

export const THIS_SYSTEM: ServiceManager = {
  configFolder: "/etc/emotiond",
  stores: ["/etc/credstore", "/run/credstore", "/usr/lib/credstore"],
  systemctl: async (...args) => (await run("systemctl", args, { timeout: 5_000 })).stdout,
};

export type ServicePassword =
  /** The service has this password file. */
  | { readonly kind: "file"; readonly path: string }
  /** There may be one, which this user may not see. */
  | { readonly kind: "hidden"; readonly path: string }
  /** There is one, but the service does not get it; `cure` says what to do. */
  | { readonly kind: "unused"; readonly path: string; readonly cure: string }
  /** There is none; it would be at `path`. */
  | { readonly kind: "missing"; readonly path: string };

/** The version of systemd from which on LoadCredential= looks into the credential stores. */
const FIRST_WITH_STORES = 251;
const CREDENTIAL = "mqtt.password";

/**
 * Finds the broker's password where systemd would get it for the service that runs with `configFile`, as somebody who
 * is not that service has to.
 *
 * @returns undefined when no service runs with that file.
 */
export async function findServicePassword(
  configFile: string,
  manager: ServiceManager = THIS_SYSTEM,
): Promise<ServicePassword | undefined> {
  const unit = unitOf(configFile, manager.configFolder);
  if (unit === undefined) return undefined;
  const source = await credentialSource(unit, manager);
  if (isAbsolute(source)) return look(source);
  let hidden: ServicePassword | undefined;
  for (const store of manager.stores) {
    const found = await look(join(store, source));
    if (found.kind === "file") {
      const version = Number(/^systemd (\d+)/.exec(await quietly(manager, "--version"))?.[1] ?? Infinity);
      if (version >= FIRST_WITH_STORES) return found;
      return {
        kind: "unused",
        path: found.path,
        cure: `systemd ${version} takes a credential by its path alone: sudo systemctl edit ${unit}, with [Service] and LoadCredential=${CREDENTIAL}:${found.path}`,
      };
    }
    if (found.kind === "hidden") hidden ??= found;
  }
  return hidden ?? { kind: "missing", path: join(manager.stores[0] ?? "/", source) };
}

function unitOf(configFile: string, configFolder: string): string | undefined {
  const name = /^(.+)\.yaml$/.exec(basename(configFile))?.[1];
  if (name === undefined || dirname(configFile) !== configFolder) return undefined;
  return name === "emotiond" ? "emotiond" : `emotiond@${name}`;
}

/** The unit's own word, which knows of drop-ins; else what the package's units say. */
async function credentialSource(unit: string, manager: ServiceManager): Promise<string> {
  const told = await quietly(manager, "show", "-P", "LoadCredential", unit);
  const sources = told
    .split(/\s+/)
    .filter((word) => word.startsWith(`${CREDENTIAL}:`))
    .map((word) => word.slice(CREDENTIAL.length + 1));
  return sources.at(-1) ?? `${unit.replace("@", "-")}.${CREDENTIAL}`;
}

async function quietly(manager: ServiceManager, ...args: string[]): Promise<string> {
  try {
    return await manager.systemctl(...args);
  } catch {
    return "";
  }
}

async function look(path: string): Promise<ServicePassword> {
  try {
    await access(path, constants.R_OK);
    return { kind: "file", path };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return { kind: code === "EACCES" || code === "EPERM" ? "hidden" : "missing", path };
  }
}
