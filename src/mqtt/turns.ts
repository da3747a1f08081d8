/** Messages that are taken in one after the other: a millisecond's work. */
const IN_A_ROW = 128;

/**
 * Calls back at once, but every so often only when everything else that is due has had its turn: frames of the camera,
 * timers, other sockets. What comes meanwhile waits at the broker. Never calls back once `over` holds.
 */
export function inTurns(over: () => boolean, inARow = IN_A_ROW): (next: () => void) => void {
  let row = 0;
  return (next) => {
    row += 1;
    if (row < inARow) return next();
    row = 0;
    setImmediate(() => {
      if (!over()) next();
    });
  };
}
