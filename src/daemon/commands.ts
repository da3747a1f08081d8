import type { EndReason } from "../events/schema.js";
import type { CommandHandler, CommandResult } from "../mqtt/publisher.js";
import type { Outlets } from "./outlets.js";
import type { Pause } from "./pause.js";
import type { Pictures } from "./pictures.js";
import type { Status } from "./status.js";

export interface CommandTargets {
  readonly pause: Pause;
  readonly pictures: Pictures;
  readonly outlets: Outlets;
  readonly status: Status;
  readonly endFaces: (reason: EndReason) => void;
}

/** What obeys the commands, whichever way they come. */
export function createCommands(targets: CommandTargets): CommandHandler {
  const { pause, pictures, outlets, status, endFaces } = targets;
  const { display, snapshots } = pictures;

  /** Answered once it is kept for the next start. */
  function tellPause(): Promise<CommandResult> {
    outlets.paused(pause.on);
    status.tell();
    return pause.keep();
  }

  return async (command) => {
    switch (command.name) {
      case "pause":
        pause.set(true);
        pictures.explainAbsence();
        endFaces("paused");
        snapshots.refuse("emotiond was paused");
        return tellPause();
      case "resume":
        pause.set(false);
        return tellPause();
      case "display":
        return display.setSink(command.sink);
      case "snapshot":
        return snapshots.take();
    }
  };
}
