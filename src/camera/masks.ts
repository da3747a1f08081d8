import { cv, type Mat } from "../base/opencv.js";
import type { PrivacyConfig } from "../config/schema.js";
import { convexHull, crossesItself } from "./polygon.js";

type Point2 = InstanceType<typeof cv.Point2>;

/** Blanks the parts of a picture that nobody may see. */
export interface PrivacyMasks {
  /** Paints every mask black, in place; a CV_8UC1, CV_8UC3 or CV_8UC4 picture of any size. */
  blank(picture: Mat): void;
}

/**
 * @param polygons corners in fractions (0..1) of the frame. A pixel on a mask's edge is blanked as well. Of a
 *   polygon that crosses itself all that lies within its convex hull is blanked: fillPoly would leave holes.
 */
export function createMasks(polygons: PrivacyConfig["masks"]): PrivacyMasks {
  if (polygons.length === 0) return { blank: () => undefined };
  const closed = polygons.map((polygon) => (crossesItself(polygon) ? convexHull(polygon) : polygon));
  const black = new cv.Vec3(0, 0, 0);
  let scaled: { width: number; height: number; corners: Point2[][] } | undefined;

  const cornersFor = (width: number, height: number): Point2[][] => {
    if (scaled?.width !== width || scaled.height !== height) {
      const corners = closed.map((polygon) =>
        polygon.map(([x, y]) => new cv.Point2(Math.round(x * width), Math.round(y * height))),
      );
      scaled = { width, height, corners };
    }
    return scaled.corners;
  };

  return {
    blank: (picture) => {
      // One call a polygon: in one call, fillPoly would leave the overlap of two masks open (even-odd rule).
      for (const corners of cornersFor(picture.cols, picture.rows)) picture.drawFillPoly([corners], black);
    },
  };
}
