import { cv } from "../../src/base/opencv.js";
import { EMOTION_COLOURS, INK, WARNING } from "../../src/display/draw/palette.js";

/** What of a screenshot has the display's own colours, each a share of all pixels. */
export interface Colours {
  /** The ground of panels, and all around a notice. */
  readonly ink: number;
  /** A notice's struck camera. */
  readonly warning: number;
  /** Boxes, labels and bars of faces, whatever their emotion. */
  readonly faces: number;
  /** The yellow, cyan, green and magenta of GStreamer's test picture. */
  readonly bars: number;
}

const TEST_BARS = [
  { red: 255, green: 255, blue: 0 },
  { red: 0, green: 255, blue: 255 },
  { red: 0, green: 255, blue: 0 },
  { red: 255, green: 0, blue: 255 },
];

/** Counts exact colours, which PNG keeps; a photo has hardly any of them by chance. */
export function coloursOf(png: string): Colours {
  const picture = cv.imread(png);
  try {
    const all = picture.rows * picture.cols;
    const share = ({ red, green, blue }: typeof INK): number => {
      const exactly = new cv.Vec3(blue, green, red);
      const mask = picture.inRange(exactly, exactly);
      try {
        return mask.countNonZero() / all;
      } finally {
        mask.release();
      }
    };
    const { neutral: _grey, uncertain: _white, ...coloured } = EMOTION_COLOURS;
    const faces = Object.values(coloured).reduce((sum, colour) => sum + share(colour), 0);
    const bars = TEST_BARS.reduce((sum, colour) => sum + share(colour), 0);
    return { ink: share(INK), warning: share(WARNING), faces, bars };
  } finally {
    picture.release();
  }
}
