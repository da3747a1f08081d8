import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SAMPLE_PHOTOS } from "../../scripts/test-support/daemon.js";
import { cv } from "../../src/base/opencv.js";
import { readPhoto } from "../../src/camera/stills/photo.js";

let folder = "";
let webp: Buffer;
let jpeg: Buffer;
let progressive: Buffer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "emotiond-photo-"));
  const photo = await readPhoto(join(SAMPLE_PHOTOS, "sample1.jpg"), 600);
  jpeg = cv.imencode(".jpg", photo);
  progressive = cv.imencode(".jpg", photo, [cv.IMWRITE_JPEG_PROGRESSIVE, 1]);
  photo.release();
  const quarters = new cv.Mat(40, 60, cv.CV_8UC3, [0, 0, 255]);
  quarters.drawRectangle(new cv.Rect(30, 0, 30, 20), new cv.Vec3(0, 255, 0), -1);
  quarters.drawRectangle(new cv.Rect(0, 20, 30, 20), new cv.Vec3(255, 0, 0), -1);
  quarters.drawRectangle(new cv.Rect(30, 20, 30, 20), new cv.Vec3(255, 255, 255), -1);
  webp = cv.imencode(".webp", quarters);
  quarters.release();
});
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, bytes: Buffer): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

/** EXIF that holds an orientation alone. */
function exif(orientation: number, big: boolean): Buffer {
  const bytes = Buffer.alloc(26);
  bytes.write(big ? "MM\0*" : "II*\0", "latin1");
  const short = (value: number, at: number) =>
    big ? bytes.writeUInt16BE(value, at) : bytes.writeUInt16LE(value, at);
  const long = (value: number, at: number) =>
    big ? bytes.writeUInt32BE(value, at) : bytes.writeUInt32LE(value, at);
  long(8, 4);
  short(1, 8);
  short(0x112, 10);
  short(3, 12);
  long(1, 14);
  short(orientation, 18);
  return bytes;
}

function chunk(name: string, data: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.write(name, "latin1");
  head.writeUInt32LE(data.length, 4);
  return Buffer.concat([head, data, Buffer.alloc(data.length % 2)]);
}

/** The plain WebP in an extended one, of 60 × 40 pixels. */
function extendedWebp(exifData: Buffer): Buffer {
  const header = Buffer.alloc(10);
  header[0] = 8;
  header.writeUIntLE(59, 4, 3);
  header.writeUIntLE(39, 7, 3);
  const body = Buffer.concat([
    Buffer.from("WEBP"),
    chunk("VP8X", header),
    webp.subarray(12),
    chunk("EXIF", exifData),
  ]);
  return chunk("RIFF", body);
}

/** The colours of the four quarters, from left to right and from top to bottom. */
async function quartersOf(path: string): Promise<string> {
  const picture = await readPhoto(path);
  try {
    const pixels = picture.getData();
    const colour = (x: number, y: number) => {
      const at = 3 * (Math.floor(y * picture.rows) * picture.cols + Math.floor(x * picture.cols));
      const [blue = 0, green = 0, red = 0] = pixels.subarray(at, at + 3);
      if (blue > 128 && green > 128 && red > 128) return "W";
      return red > 128 ? "R" : green > 128 ? "G" : "B";
    };
    const colours = [colour(0.25, 0.25), colour(0.75, 0.25), colour(0.25, 0.75), colour(0.75, 0.75)];
    return `${picture.cols}x${picture.rows} ${colours.join("")}`;
  } finally {
    picture.release();
  }
}

describe("a WebP's orientation", () => {
  it.each([
    [1, "60x40 RGBW"],
    [2, "60x40 GRWB"],
    [3, "60x40 WBGR"],
    [4, "60x40 BWRG"],
    [5, "40x60 RBGW"],
    [6, "40x60 BRWG"],
    [7, "40x60 WGBR"],
    [8, "40x60 GWRB"],
    [9, "60x40 RGBW"],
  ])("%i gives %s", async (orientation, expected) => {
    const plain = await file("plain.webp", extendedWebp(exif(orientation, false)));
    expect(await quartersOf(plain)).toBe(expected);
    const prefixed = Buffer.concat([Buffer.from("Exif\0\0", "latin1"), exif(orientation, true)]);
    expect(await quartersOf(await file("prefixed.webp", extendedWebp(prefixed)))).toBe(expected);
  });
});

describe("a JPEG without its end marker", () => {
  it.each(["baseline", "progressive"])("is read when nothing else is missing (%s)", async (kind) => {
    const whole = kind === "baseline" ? jpeg : progressive;
    expect(whole.subarray(-2)).toEqual(Buffer.from([0xff, 0xd9]));
    const expected = await readPhoto(await file("whole.jpg", whole));
    for (const missing of [1, 2]) {
      const found = await readPhoto(await file("no-end.jpg", whole.subarray(0, -missing)));
      expect(found.getData().equals(expected.getData())).toBe(true);
      found.release();
    }
    expected.release();
  });

  it.each(["baseline", "progressive"])(
    "is refused when a part of the picture is missing (%s)",
    async (kind) => {
      const whole = kind === "baseline" ? jpeg : progressive;
      for (const length of [whole.length - 40, whole.length * 0.9, whole.length * 0.5]) {
        const path = await file("cut.jpg", whole.subarray(0, Math.floor(length)));
        await expect(readPhoto(path)).rejects.toThrow("truncated");
      }
    },
  );

  it("is refused when a progressive one ends between two scans", async () => {
    const scans: number[] = [];
    for (
      let at = progressive.indexOf("ffda", 0, "hex");
      at >= 0;
      at = progressive.indexOf("ffda", at + 1, "hex")
    )
      scans.push(at);
    expect(scans.length).toBeGreaterThan(3);
    const path = await file("cut.jpg", progressive.subarray(0, scans.at(-1)));
    await expect(readPhoto(path)).rejects.toThrow("truncated");
  });
});

describe("a file that is not read", () => {
  const iso = (brand: string) => Buffer.from(`\0\0\0\x18ftyp${brand}\0\0\0\0mif1miaf and more`, "latin1");
  it.each([
    ["iphone.jpg", iso("heic"), /is a HEIC picture.*heif-convert/],
    ["picture.jpg", iso("avif"), /is an AVIF picture/],
    ["film.jpg", Buffer.from("\0\0\0\x18ftypisom\0\0\0\0isomiso2 and more", "latin1"), /is a film \(MP4/],
    ["moving.png", Buffer.from("GIF89a and more", "latin1"), /is a GIF/],
    ["drawing.png", Buffer.from('<?xml version="1.0"?>\n<svg xmlns="x"/>'), /is an SVG drawing/],
    ["page.jpg", Buffer.from("<!DOCTYPE html><html>404</html>"), /is a web page/],
    ["note.jpg", Buffer.from("Grüße\n"), /is no photo that can be decoded, but text/],
    ["zeros.jpg", Buffer.alloc(5000), /nothing but zeros/],
    ["empty.jpg", Buffer.alloc(0), /is empty/],
    ["noise.jpg", Buffer.from([1, 2, 3, 250, 251, 252, 0, 9]), /is no photo that can be decoded/],
    ["head.jpg", Buffer.from([0xff, 0xd8, 0xff, 0xe0]), /is a damaged or truncated JPEG/],
  ])("%s: says what it is", async (name, bytes, words) => {
    await expect(readPhoto(await file(name, bytes))).rejects.toThrow(words);
  });

  it("says that a picture is too large, and how large it may be", async () => {
    const picture = await readFile(
      await file("small.png", cv.imencode(".png", new cv.Mat(2, 2, cv.CV_8UC3))),
    );
    picture.writeUInt32BE(12_000, 16);
    picture.writeUInt32BE(12_000, 20);
    await expect(readPhoto(await file("huge.png", picture))).rejects.toThrow(
      /has 12000 × 12000 pixels, which is 144 million, and no more than 134 million are read: make it smaller/,
    );
  });

  it("says that a truncated WebP is truncated, and what is no file at all", async () => {
    await expect(readPhoto(await file("cut.webp", webp.subarray(0, -8)))).rejects.toThrow("truncated");
    await expect(readPhoto("/dev/null")).rejects.toThrow("is a device");
  });
});
