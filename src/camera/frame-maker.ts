import { cv, type Mat } from "../base/opencv.js";
import type { Frame } from "./frame.js";
import type { PrivacyMasks } from "./masks.js";
import type { Moment } from "./moment.js";

/**
 * Makes one camera's frames: numbers them (from 1, across the camera's restarts) and blanks the privacy masks
 * before anything else sees a pixel.
 */
export interface FrameMaker {
  /**
   * @param picture BGR, BGRx or grey: CV_8UC3, CV_8UC4 or CV_8UC1; becomes the frame's own, also when this rejects.
   */
  fromColour(picture: Mat, taken: Moment): Promise<Frame>;
  /**
   * @param bytes a planar YUV 4:2:0 picture without row padding, width × height × 3/2 bytes; the frame's own until
   *   it calls `free`. The grey part is copied, the rest only if somebody wants the colour picture.
   * @param free called once, when the buffer may be filled anew; not where this throws.
   */
  fromI420(bytes: Buffer, width: number, height: number, taken: Moment, free?: () => void): Frame;
}

export function createFrameMaker(masks: PrivacyMasks): FrameMaker {
  let number = 0;
  return {
    fromColour: async (picture, taken) => {
      number += 1;
      const own = number;
      let grey: Mat | undefined;
      try {
        const { channels } = picture;
        const made =
          channels === 1
            ? picture
            : await picture.cvtColorAsync(channels === 4 ? cv.COLOR_BGRA2GRAY : cv.COLOR_BGR2GRAY);
        grey = made;
        masks.blank(made);
        if (channels !== 1) masks.blank(picture);
        switch (channels) {
          case 1:
            return holdFrame(own, taken, made, () => made.cvtColorAsync(cv.COLOR_GRAY2BGR), [made]);
          case 3:
            return holdFrame(own, taken, made, picture, [made]);
          default:
            // The fourth channel is left out only if somebody wants the colour picture.
            return holdFrame(own, taken, made, () => picture.cvtColorAsync(cv.COLOR_BGRA2BGR), [
              made,
              picture,
            ]);
        }
      } catch (error) {
        grey?.release();
        picture.release();
        throw error;
      }
    },

    fromI420: (bytes, width, height, taken, free) => {
      number += 1;
      // The luma plane is the grey picture. A copy, not a view: the binding's getData() refuses views.
      const grey = new cv.Mat(bytes, height, width, cv.CV_8UC1);
      masks.blank(grey);
      const colour = async () => {
        const i420 = new cv.Mat(bytes, (height * 3) / 2, width, cv.CV_8UC1);
        try {
          const bgr = await i420.cvtColorAsync(cv.COLOR_YUV2BGR_I420);
          // Black luma with the chroma left is not black.
          masks.blank(bgr);
          return bgr;
        } finally {
          i420.release();
        }
      };
      return holdFrame(number, taken, grey, colour, [grey], free);
    },
  };
}

function holdFrame(
  number: number,
  { takenAt, steadyAt }: Moment,
  grey: Mat,
  colour: Mat | (() => Promise<Mat>),
  owned: readonly Mat[],
  free?: () => void,
): Frame {
  let released = false;
  let picture: Promise<Mat> | undefined = typeof colour === "function" ? undefined : Promise.resolve(colour);
  let made: Mat | undefined = typeof colour === "function" ? undefined : colour;

  const make = async (convert: () => Promise<Mat>): Promise<Mat> => {
    const converted = await convert();
    if (released) {
      // The holder let go while OpenCV was at work; nobody else will free this.
      converted.release();
      throw new Error(`frame ${number} was released while its picture was being made`);
    }
    made = converted;
    return converted;
  };

  return {
    number,
    takenAt,
    steadyAt,
    width: grey.cols,
    height: grey.rows,
    grey,
    picture: () => {
      if (released) return Promise.reject(new Error(`frame ${number} has been released`));
      picture ??= typeof colour === "function" ? make(colour) : Promise.resolve(colour);
      return picture;
    },
    release: () => {
      if (released) throw new Error(`frame ${number} was released twice`);
      released = true;
      for (const mat of owned) mat.release();
      made?.release();
      free?.();
    },
  };
}
