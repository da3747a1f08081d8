type Signal = "SIGHUP" | "SIGTERM" | "SIGINT";

const held = new Set<Signal>();
const hold = (name: NodeJS.Signals): void => void held.add(name as Signal);

/** Keeps these signals from ending this process until it can obey them. To be called before anything is loaded. */
export function holdSignals(names: readonly Signal[]): void {
  for (const name of names) process.on(name, hold);
}

/** Obeys a signal from now on, and at once if it has come meanwhile. */
export function obeySignal(name: Signal, obey: () => void): void {
  process.on(name, obey);
  process.off(name, hold);
  if (held.delete(name)) obey();
}
