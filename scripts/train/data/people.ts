import { createHash } from "node:crypto";
import { basename, extname } from "node:path";

/** Share of a folder's people who are kept apart, to choose by. */
const KEPT_APART = 0.15;
/** Of three thousand seeds the one that keeps most nearly that share of each label apart: a few people have most of the rare ones. */
const SEED = 639;

/** Whose face a picture shows: its file's name up to the last `_`, or all of it where there is none. */
export function personOf(file: string): string {
  const name = basename(file, extname(file));
  const end = name.lastIndexOf("_");
  return end > 0 ? name.slice(0, end) : name;
}

/** Whether a person is kept apart: the same one always, whatever else is in the folder. */
export function isKeptApart(person: string): boolean {
  const digest = createHash("sha1").update(`${SEED}${person.toLowerCase()}`).digest();
  return digest.readUInt32BE(0) / 2 ** 32 < KEPT_APART;
}
