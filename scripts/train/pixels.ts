/** Pixels go through (grey − 128) / 64 before the first layer, in training and inside the exported models. */
export const PIXEL_MEAN = 128;
export const PIXEL_SCALE = 64;
