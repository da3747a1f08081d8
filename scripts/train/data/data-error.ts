/** There are no rows of a split that is needed. */
export class EmptySplitError extends Error {
  override readonly name = "EmptySplitError";
}

/** Data cannot be read from there. */
export class DataPathError extends Error {
  override readonly name = "DataPathError";
}
