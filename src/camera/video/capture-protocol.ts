/** What the process that reads a video and the daemon say to each other. See capture-process.ts. */

/** Where the child writes its messages: what OpenCV's libraries print goes to 1 and 2. */
export const MESSAGES_FD = 3;

/** The first line on the child's standard input; each byte after it asks for one more frame. */
export interface CaptureOrder {
  readonly kind: "file" | "device" | "stream" | "pipeline";
  readonly address: string;
  /** It waits for whoever reads it: no frame is left out. */
  readonly recorded: boolean;
  /** Its frames have timestamps to be believed. */
  readonly timed: boolean;
  /** The size that frames are scaled down to fit inside. */
  readonly width: number;
  readonly height: number;
  readonly framerate: number;
}

export type CaptureMessage =
  /** OpenCV is loaded; the order may come. */
  | { readonly kind: "ready" }
  /** Frames a second and in all, as the source says: either may be nonsense. */
  | { readonly kind: "opened"; readonly rate: number; readonly count: number }
  | { readonly kind: "unopened" }
  | {
      readonly kind: "frame";
      readonly width: number;
      readonly height: number;
      readonly channels: number;
      /** The frame's own time in seconds; 0 where it has none. */
      readonly seconds: number;
      /** When it was read, in milliseconds of the machine's monotonic clock. */
      readonly readAt: number;
    }
  /** A picture in a format that cannot be used. */
  | {
      readonly kind: "unreadable";
      readonly type: number;
      readonly width: number;
      readonly height: number;
      readonly expected: number;
    }
  /** A live source whose pictures have another size than its first. */
  | { readonly kind: "resized"; readonly from: string; readonly to: string }
  /** No frame comes any more. `damaged`: reads that failed, and were followed by one that did not. */
  | { readonly kind: "end"; readonly damaged: number };

const LENGTHS = 8;

/** A message as bytes: the lengths of its JSON and of its picture, and both. */
export function encodeMessage(message: CaptureMessage, picture: Uint8Array = new Uint8Array(0)): Buffer[] {
  const json = Buffer.from(JSON.stringify(message));
  const lengths = Buffer.alloc(LENGTHS);
  lengths.writeUInt32LE(json.length, 0);
  lengths.writeUInt32LE(picture.length, 4);
  return [Buffer.concat([lengths, json]), Buffer.from(picture.buffer, picture.byteOffset, picture.length)];
}

/**
 * Puts messages together from the pieces that a pipe delivers.
 *
 * @param space gives a buffer of that many bytes for a picture; it belongs to whoever takes the message
 */
export function createMessageReader(
  space: (bytes: number) => Buffer,
  take: (message: CaptureMessage, picture: Buffer) => void,
): (piece: Buffer) => void {
  const lengths = Buffer.alloc(LENGTHS);
  let json: Buffer = Buffer.alloc(0);
  let picture: Buffer = Buffer.alloc(0);
  let part: "lengths" | "json" | "picture" = "lengths";
  let filled = 0;

  const parts = () => ({ lengths, json, picture })[part];
  const advance = () => {
    filled = 0;
    if (part === "lengths") {
      json = Buffer.alloc(lengths.readUInt32LE(0));
      part = "json";
    } else if (part === "json" && lengths.readUInt32LE(4) > 0) {
      picture = space(lengths.readUInt32LE(4));
      part = "picture";
    } else {
      part = "lengths";
      const whole = picture;
      picture = Buffer.alloc(0);
      take(JSON.parse(json.toString()) as CaptureMessage, whole);
    }
  };

  return (piece) => {
    let from = 0;
    while (from < piece.length) {
      const into = parts();
      const count = piece.copy(into, filled, from);
      from += count;
      filled += count;
      if (filled === into.length) advance();
    }
  };
}
