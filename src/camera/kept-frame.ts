import type { Frame } from "./frame.js";

/**
 * A copy of a frame that lives as long as its holder needs it, for work that takes longer than the next frame may wait.
 * The holder releases it.
 */
export async function keepFrame(frame: Frame): Promise<Frame> {
  const picture = await (await frame.picture()).copyAsync();
  const grey = frame.grey.copy();
  const { number, takenAt, steadyAt, width, height } = frame;
  return {
    number,
    takenAt,
    steadyAt,
    width,
    height,
    grey,
    picture: () => Promise.resolve(picture),
    release: () => {
      picture.release();
      grey.release();
    },
  };
}
