/** What one of the doctor's checks found. */
export interface Finding {
  readonly verdict: "ok" | "warn" | "fail";
  /** What was found, and for `warn` and `fail` the cure. */
  readonly text: string;
}

export const ok = (text: string): Finding => ({ verdict: "ok", text });
export const warn = (text: string): Finding => ({ verdict: "warn", text });
export const fail = (text: string): Finding => ({ verdict: "fail", text });
