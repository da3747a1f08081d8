/**
 * Side of the crop, as a share of the Haar box. Around FER-2013's 48 × 48 pictures, frontalface_default puts boxes
 * of 47.0 pixels (median of 655; `scripts/train/measure-crop.ts`), centred on the picture to within 0.2 pixels; the
 * network is trained on the middle 44.
 */
export const CROP_PER_BOX = 44 / 47;
