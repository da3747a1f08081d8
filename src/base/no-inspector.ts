/**
 * Node opens its inspector on SIGUSR1: whoever reaches its port then runs what they like in this process. Imported for
 * its effect, before anything else. Node's own switch works from the process's first moment, and for every Node process
 * that this one starts; it came with 22.14.
 */
const SWITCH = "--disable-sigusr1";

process.on("SIGUSR1", () => undefined);
const options = process.env.NODE_OPTIONS ?? "";
if (process.allowedNodeEnvironmentFlags.has(SWITCH) && !options.includes(SWITCH)) {
  process.env.NODE_OPTIONS = `${options} ${SWITCH}`.trimStart();
}
