/** What a subscriber holds against what the devices made: losses, repeats, order and latency. */
export interface Ledger {
  /** Takes in an event that the subscriber received. */
  received(event: { boot: string; seq: number; time: string; replayed: boolean }, at: number): void;
  /** Compares with how far each boot has counted. */
  report(made: ReadonlyMap<string, number>): LedgerReport;
}

export interface LedgerReport {
  readonly made: number;
  readonly received: number;
  readonly repeated: number;
  readonly replayed: number;
  readonly missing: number;
  /** Events that came for the first time after a later one of their boot had come. */
  readonly outOfOrder: number;
  /** Milliseconds from the making of an event to its receipt, of those that were not replayed. */
  readonly latencyMs: {
    readonly p50: number;
    readonly p95: number;
    readonly p99: number;
    readonly max: number;
  };
  readonly firstMissing: readonly string[];
}

export function createLedger(): Ledger {
  const boots = new Map<string, { seen: Set<number>; greatest: number }>();
  const latencies: number[] = [];
  let received = 0;
  let repeated = 0;
  let replayed = 0;
  let outOfOrder = 0;

  return {
    received(event, at) {
      received += 1;
      let boot = boots.get(event.boot);
      if (boot === undefined) {
        boot = { seen: new Set(), greatest: 0 };
        boots.set(event.boot, boot);
      }
      if (event.replayed) replayed += 1;
      if (boot.seen.has(event.seq)) {
        repeated += 1;
        return;
      }
      boot.seen.add(event.seq);
      if (event.seq < boot.greatest) outOfOrder += 1;
      boot.greatest = Math.max(boot.greatest, event.seq);
      if (!event.replayed) latencies.push(at - Date.parse(event.time));
    },
    report(made) {
      const firstMissing: string[] = [];
      let missing = 0;
      let total = 0;
      for (const [boot, last] of made) {
        total += last;
        for (let seq = 1; seq <= last; seq++) {
          if (boots.get(boot)?.seen.has(seq)) continue;
          missing += 1;
          if (firstMissing.length < 10) firstMissing.push(`${boot} ${seq}`);
        }
      }
      latencies.sort((a, b) => a - b);
      const quantile = (q: number) =>
        latencies[Math.min(latencies.length - 1, Math.floor(q * latencies.length))] ?? 0;
      const latencyMs = { p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99), max: quantile(1) };
      return { made: total, received, repeated, replayed, missing, outOfOrder, latencyMs, firstMissing };
    },
  };
}
