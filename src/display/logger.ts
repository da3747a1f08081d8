import type { Logger as PinoLogger } from "pino";

/** What the display asks of a logger; pino's fits. */
export type Logger = Pick<PinoLogger, "debug" | "info" | "warn" | "error">;
