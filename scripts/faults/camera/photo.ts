import { writeFileSync } from "node:fs";
import { cv } from "../../../src/base/opencv.js";

/** Writes a photo as one frame of planar YUV 4:2:0, as rpicam-vid delivers it. argv: photo, file, width, height. */
const [photo = "", file = "", width = "640", height = "480"] = process.argv.slice(2);
const grey = cv.imread(photo, cv.IMREAD_GRAYSCALE).resize(Number(height), Number(width));
const luma = grey.getData();
writeFileSync(file, Buffer.concat([luma, Buffer.alloc(luma.length / 2, 128)]));
