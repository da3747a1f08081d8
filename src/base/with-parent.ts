/**
 * Runs the command that follows as the same process, which the kernel kills when its parent ends, however that ends. Where the kernel
 * may not be asked for it (setpriv also sets capabilities, which a hardened unit refuses), it is run as it is: there
 * systemd ends what is left of a service.
 */
const SCRIPT = `
with="setpriv --pdeathsig KILL --"
$with true 2>/dev/null && exec $with "$@"
exec "$@"`;

/** A command, as file and arguments, that ends with the process that starts it, also when that is killed. */
export function withParent(command: readonly string[]): [file: string, ...args: string[]] {
  return ["/bin/sh", "-c", SCRIPT, "sh", ...command];
}
