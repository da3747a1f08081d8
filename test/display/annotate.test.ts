import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EMOTION_LABELS, type FaceLabel } from "../../src/base/labels.js";
import { cv, type Mat } from "../../src/base/opencv.js";
import {
  type AnnotateOptions,
  ageText,
  annotate,
  createMemory,
  onCanvas,
} from "../../src/display/draw/annotate.js";
import {
  createCanvas,
  heightWithStrip,
  placeFrame,
  placePicture,
  stripHeight,
} from "../../src/display/draw/canvas.js";
import { EMOTION_COLOURS, textOn } from "../../src/display/draw/palette.js";
import type { Scene } from "../../src/display/scene.js";
import { count, faceAt, type Pixel, pixelAt, plain, sceneWith } from "./fixtures.js";

const colourOf = (label: FaceLabel): Pixel => {
  const { red, green, blue } = EMOTION_COLOURS[label];
  return [red, green, blue];
};

function drawn<T>(picture: Mat, use: (picture: Mat) => T): T {
  try {
    return use(picture);
  } finally {
    picture.release();
  }
}

describe("annotate", () => {
  it.each([
    [1280, 720],
    [800, 480],
    [1920, 1080],
  ])("draws the box where the face is, at %d×%d", (width, height) => {
    drawn(plain(width, height), (picture) => {
      const face = faceAt(0.4, 0.3, 0.2, "surprise");
      annotate(picture, sceneWith([face]));
      const box = onCanvas(face.box, { x: 0, y: 0, width, height });
      const colour = colourOf("surprise");
      const middleX = box.x + box.width / 2;
      const middleY = box.y + box.height / 2;
      expect(pixelAt(picture, box.x, middleY)).toEqual(colour);
      expect(pixelAt(picture, box.x + box.width - 1, middleY)).toEqual(colour);
      expect(pixelAt(picture, middleX, box.y + box.height - 1)).toEqual(colour);
      // The face itself stays as it was.
      expect(pixelAt(picture, middleX, middleY)).toEqual([60, 60, 60]);
    });
  });

  it.each([...EMOTION_LABELS])("shows %s in its colour, in a bar as long as its score", (label) => {
    drawn(plain(1280, 720), (picture) => {
      const face = faceAt(0.2, 0.3, 0.2, label);
      annotate(picture, sceneWith([face]));
      // Right of the face: the panel, whose one long bar is the label's.
      const panel = { x: 530, y: 200, width: 260, height: 240 };
      const own = count(picture, colourOf(label), panel);
      for (const other of EMOTION_LABELS) {
        if (other !== label) expect(own).toBeGreaterThan(5 * count(picture, colourOf(other), panel));
      }
    });
  });

  it("dashes the box of an uncertain face, so that colour is not the only sign", () => {
    drawn(plain(1280, 720), (picture) => {
      annotate(picture, sceneWith([faceAt(0.4, 0.3, 0.2, "uncertain")]));
      const left = { x: 512, y: 230, width: 1, height: 120 };
      const dashes = count(picture, [255, 255, 255], left);
      expect(dashes).toBeGreaterThan(30);
      expect(dashes).toBeLessThan(100);
    });
  });

  it("leaves a second face free of the first one's panel and tag", () => {
    drawn(plain(1280, 720), (picture) => {
      annotate(picture, sceneWith([faceAt(0.3, 0.3, 0.15, "happy"), faceAt(0.47, 0.3, 0.15, "sad")]));
      const second = onCanvas(
        { x: 0.47, y: 0.3, width: 0.15, height: 0.15 },
        { x: 0, y: 0, width: 1280, height: 720 },
      );
      const inside = {
        x: second.x + 12,
        y: second.y + 12,
        width: second.width - 24,
        height: second.height - 24,
      };
      expect(count(picture, [60, 60, 60], inside)).toBe(inside.width * inside.height);
    });
  });

  it("warns of a broker that is away with a sign of another shape", () => {
    const strip = { x: 0, y: 720 - stripHeight(720), width: 1280, height: stripHeight(720) };
    const warning: Pixel = [0xe6, 0x9f, 0x00];
    const signs = (changes: Parameters<typeof sceneWith>[1]) =>
      drawn(plain(1280, 720), (picture) => {
        annotate(picture, sceneWith([], changes));
        return count(picture, warning, strip);
      });
    expect(signs({})).toBe(0);
    expect(signs({ broker: "away" })).toBeGreaterThan(100);
    expect(signs({ broker: "away", camera: "stalled" })).toBeGreaterThan(200);
  });

  it("draws the same with what it remembers as without", () => {
    const memory = createMemory();
    const second = sceneWith([faceAt(0.1, 0.2, 0.2, "sad"), faceAt(0.6, 0.5, 0.3, "angry")], { fps: 12 });
    const pixels = (options: AnnotateOptions, scenes: readonly Scene[]) =>
      drawn(plain(640, 360), (picture) => {
        for (const scene of scenes) {
          picture.setTo(new cv.Vec3(60, 60, 60)).release();
          annotate(picture, scene, options);
        }
        return picture.getData();
      });
    const fresh = pixels({}, [second]);
    const first = sceneWith([faceAt(0.1, 0.2, 0.2, "happy"), faceAt(0.6, 0.5, 0.3, "angry")]);
    expect(pixels({ memory }, [first, second, second]).equals(fresh)).toBe(true);
    memory.sprites.clear();
    expect(pixels({ memory }, [second]).equals(fresh)).toBe(true);
  });

  it("takes any text, face and size without leaving the picture", () => {
    const label = fc.constantFrom<FaceLabel>(...EMOTION_LABELS, "uncertain");
    const unit = fc.double({ min: -0.2, max: 1.2, noNaN: true });
    const face = fc
      .tuple(unit, unit, fc.double({ min: 0, max: 1.5, noNaN: true }), label, fc.nat())
      .map(([x, y, size, name, id]) => faceAt(x, y, size, name, String(id)));
    fc.assert(
      fc.property(
        fc.array(face, { maxLength: 6 }),
        fc.integer({ min: 32, max: 500 }),
        fc.integer({ min: 32, max: 400 }),
        fc.string({ unit: "binary" }),
        (faces, width, height, text) => {
          drawn(plain(width, height), (picture) => {
            annotate(picture, sceneWith(faces, { device: text, camera: text, clock: text }));
          });
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("ageText", () => {
  it.each([
    [0.4, "0s"],
    [59.9, "59s"],
    [61, "1m 01s"],
    [3725, "1h 02m"],
  ])("%d s is %s", (seconds, text) => expect(ageText(seconds)).toBe(text));
});

describe("palette", () => {
  it("writes black on light colours and white on dark ones", () => {
    expect(textOn(EMOTION_COLOURS.happy).red).toBe(0);
    expect(textOn(EMOTION_COLOURS.sad).red).toBe(255);
  });
});

describe("canvas", () => {
  it("places a frame above the strip, its shape kept", () => {
    const place = placeFrame({ width: 1280, height: 720 }, { width: 640, height: 480 });
    expect(place.width / place.height).toBeCloseTo(4 / 3, 2);
    expect(place.y + place.height).toBeLessThanOrEqual(720 - stripHeight(720));
    expect(place.x).toBe(Math.floor((1280 - place.width) / 2));
  });

  it.each([240, 480, 720, 1080])("leaves a picture %d high free of the strip", (height) => {
    const whole = heightWithStrip(height);
    expect(whole - stripHeight(whole)).toBeGreaterThanOrEqual(height - 1);
  });

  it("copies the picture into its place and blackens the rest, whatever was there before", async () => {
    const canvas = createCanvas(320, 180);
    const picture = plain(64, 48, [200, 100, 50]);
    try {
      canvas.pixels.fill(255);
      const place = placeFrame(canvas, { width: 64, height: 48 });
      await placePicture(canvas, picture, place);
      expect(count(canvas.mat, [200, 100, 50])).toBe(place.width * place.height);
      expect(count(canvas.mat, [0, 0, 0])).toBe(320 * 180 - place.width * place.height);
      // The Mat is a view of the buffer.
      const offset = (place.y * 320 + place.x) * 3;
      expect([...canvas.pixels.subarray(offset, offset + 3)]).toEqual([50, 100, 200]);
    } finally {
      picture.release();
      canvas.release();
    }
  });
});
