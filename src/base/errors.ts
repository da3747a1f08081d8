/** Exit codes of sysexits(3): the command line (EX_USAGE), or the configuration (EX_CONFIG), is wrong. */
export const EXIT_USAGE = 64;
export const EXIT_CONFIG = 78;

/**
 * An error that is to be expected, such as a missing camera: its message says what to do, and a stack would add nothing.
 * Every other error is a fault of the program, and ends it with its stack.
 */
export abstract class ExpectedError extends Error {
  /** What the process exits with, where this error ends it: 1, EXIT_USAGE or EXIT_CONFIG. */
  readonly exitCode: number = 1;
}
