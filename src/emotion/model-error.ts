/** A model cannot be used as it is; the message says what is wrong with it and what to do. */
export class ModelError extends Error {
  override readonly name = "ModelError";
}

/** An engine is not installed on this machine; the message says how to install it. */
export class EngineMissingError extends ModelError {
  override readonly name: "ModelError" = "ModelError";
}
