/** What to do with a picture in a format that is not read. */
const toJpeg = (command: string) => `which is not read: make a JPEG of it, for example with \`${command}\``;
const FFMPEG = toJpeg("ffmpeg -i FILE -frames:v 1 photo.jpg");
const damaged = (format: string) => `a damaged or truncated ${format}: copy it again`;
const FILM = "and no photo: `source.type: video` plays it";

/** What a file begins with, by the place where it stands; the first that fits counts. */
const KINDS: readonly (readonly [at: number, signature: string, words: string])[] = [
  [0, "\xff\xd8", damaged("JPEG")],
  [0, "\x89PNG\r\n\x1a\n", damaged("PNG")],
  [8, "WEBP", damaged("WebP")],
  [0, "BM", damaged("BMP")],
  [8, "CR\x02", `a camera's raw picture (CR2), ${toJpeg("dcraw -e FILE")}`],
  [0, "II*\0", "a TIFF that cannot be decoded (a damaged one, or a camera's raw picture): save it as JPEG"],
  [0, "MM\0*", "a TIFF that cannot be decoded (a damaged one, or a camera's raw picture): save it as JPEG"],
  [0, "GIF87a", `a GIF, ${FFMPEG}`],
  [0, "GIF89a", `a GIF, ${FFMPEG}`],
  [0, "\xff\x0a", `a JPEG XL picture, ${toJpeg("djxl FILE photo.jpg")}`],
  [0, "\0\0\0\x0cJXL ", `a JPEG XL picture, ${toJpeg("djxl FILE photo.jpg")}`],
  [0, "\0\0\0\x0cjP  ", `a JPEG 2000 picture, ${FFMPEG}`],
  [0, "\xff\x4f\xff\x51", `a JPEG 2000 picture, ${FFMPEG}`],
  [8, "AVI ", `a film (AVI), ${FILM}`],
  [0, "\x1a\x45\xdf\xa3", `a film (Matroska or WebM), ${FILM}`],
  [0, "%PDF", `a PDF, ${toJpeg("pdftoppm -jpeg FILE photo")}`],
  [0, "8BPS", "a Photoshop file, which is not read: save it as JPEG"],
  [0, "PK\x03\x04", "a ZIP archive, and no photo: unpack it"],
  [0, "\x1f\x8b", "a gzip archive, and no photo: unpack it"],
  [0, "version https://git-lfs", "a Git LFS pointer in place of a file: run git lfs pull"],
];

/** Of WebP's extended header. */
const ANIMATED = 2;

/**
 * Says what a file is whose picture could not be decoded, and the cure, whatever its name says.
 *
 * @returns words that follow "FILE is "
 */
export function describeFile(bytes: Buffer): string {
  const start = bytes.toString("latin1", 0, 1024);
  if (start.startsWith("WEBPVP8X", 8) && (start.charCodeAt(20) & ANIMATED) !== 0) {
    return `an animated WebP, ${toJpeg("webpmux -get frame 1 FILE -o photo.webp")}`;
  }
  const known = KINDS.find(([at, signature]) => start.startsWith(signature, at));
  if (known !== undefined) return known[2];
  if (start.startsWith("ftyp", 4)) return describeIsoMedia(bytes);
  if (/<svg[\s>]/i.test(start)) return `an SVG drawing, ${toJpeg("rsvg-convert FILE -o photo.png")}`;
  if (/<(!doctype\s+html|html[\s>])/i.test(start)) {
    return "a web page, and no photo: download the picture itself";
  }
  if (bytes.every((byte) => byte === 0)) return "nothing but zeros: copy it again";
  if (isText(bytes.subarray(0, 1024))) return "no photo that can be decoded, but text";
  return "no photo that can be decoded (JPEG, PNG, WebP, BMP and TIFF can)";
}

/** HEIC, AVIF, films: all in ISO's base media file format, told apart by their brands. */
function describeIsoMedia(bytes: Buffer): string {
  const brands = bytes.toString("latin1", 8, Math.min(bytes.length, 64, bytes.readUInt32BE(0)));
  if (/avi[fs]/.test(brands)) return `an AVIF picture, ${FFMPEG}`;
  if (/hei[cxms]|hev[cxms]|mif1|msf1/.test(brands)) {
    return `a HEIC picture, as iPhones take them, ${toJpeg("heif-convert FILE photo.jpg")}`;
  }
  if (brands.startsWith("crx ")) return "a camera's raw picture (CR3), which is not read: save it as JPEG";
  return `a film (MP4 or QuickTime), ${FILM}`;
}

/** UTF-8 without control characters; the last character may be cut. */
function isText(bytes: Buffer): boolean {
  const text = bytes.toString("utf8").replace(/\ufffd$/, "");
  const isControl = (character: string) => character < " " && !"\t\n\v\f\r".includes(character);
  return text !== "" && !text.includes("\ufffd") && ![...text].some(isControl);
}
