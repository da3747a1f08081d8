/** Something that set-up cannot mend by itself; `message` says what is wrong and what would cure it. */
export class SetupFailure extends Error {
  name = "SetupFailure";
}
