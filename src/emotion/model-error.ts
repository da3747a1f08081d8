import { ExpectedError } from "../base/errors.js";
/** A model cannot be used as it is; the message says what is wrong with it and what to do. */
export class ModelError extends ExpectedError {
  override readonly name = "ModelError";
}

/** An engine is not installed on this machine; the message says how to install it. */
export class EngineMissingError extends ModelError {
  override readonly name: "ModelError" = "ModelError";
}
