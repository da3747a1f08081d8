/** Where a photo lies in the frame: its pixels times `scale`, moved by `left` and `top` pixels of the frame. */
export interface View {
  readonly scale: number;
  readonly left: number;
  readonly top: number;
}

/** How far the view zooms in, and how far its centre wanders, as a fraction of the frame. */
const ZOOM = 0.12;
const PAN = 0.03;

/**
 * The view of a photo at a moment of its time on screen: a slow zoom in and out, and a slow walk around the
 * centre. It starts and ends at the whole photo, fitted inside the frame, and has no step in between.
 *
 * @param phase 0 (the photo comes) to 1 (it goes)
 */
export function viewAt(
  phase: number,
  photo: { readonly width: number; readonly height: number },
  frame: { readonly width: number; readonly height: number },
): View {
  const angle = 2 * Math.PI * phase;
  const swell = (1 - Math.cos(angle)) / 2;
  const fitted = Math.min(frame.width / photo.width, frame.height / photo.height);
  const scale = fitted * (1 + ZOOM * swell);
  return {
    scale,
    left: (frame.width - photo.width * scale) / 2 + PAN * frame.width * Math.sin(angle),
    top: (frame.height - photo.height * scale) / 2 + PAN * frame.height * Math.sin(angle) * swell,
  };
}
