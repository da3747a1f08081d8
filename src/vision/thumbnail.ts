import type { Thumbnail } from "./motion.js";
import { cv, type Mat } from "./opencv.js";

/** Cells across, about: enough that the smallest face covers several. */
const COLUMNS = 80;

/**
 * Shrinks a grey picture by a whole factor, to 80 cells across or a few more, each the mean of its pixels.
 *
 * Synchronous: 0.1 ms at 640 × 480, less than a hop to libuv's pool and back would cost the frame.
 */
export function thumbnailOf(grey: Mat): Thumbnail {
  // A whole factor takes OpenCV's fast path.
  const factor = Math.max(1, Math.floor(grey.cols / COLUMNS));
  const columns = Math.max(1, Math.floor(grey.cols / factor));
  const rows = Math.max(1, Math.floor(grey.rows / factor));
  const small = grey.resize(rows, columns, 0, 0, cv.INTER_AREA);
  try {
    return { columns, rows, cells: small.getData() };
  } finally {
    small.release();
  }
}
