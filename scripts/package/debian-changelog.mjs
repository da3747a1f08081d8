import { readFileSync } from "node:fs";
import { argv, stdout } from "node:process";
import { fileURLToPath } from "node:url";

const MAINTAINER = "emotiond contributors <emotiond@users.noreply.github.com>";

/**
 * Debian's changelog of the released versions of a CHANGELOG.md (https://keepachangelog.com), newest first. A version
 * that has no section of its own yet, as the one being made between two releases, gets the unreleased changes.
 *
 * @param {string} text CHANGELOG.md
 * @param {string} version the package's
 * @param {Date} builtAt the date of a version that has no section yet
 * @returns {string}
 */
export function debianChangelog(text, version, builtAt) {
  const sections = readSections(text);
  const released = sections.filter(({ name }) => name !== "Unreleased");
  const unreleased = sections.find(({ name }) => name === "Unreleased")?.changes ?? [];
  const entries = released.map(({ name, date, changes }) =>
    entry(name, new Date(`${date}T00:00:00Z`), changes),
  );
  if (!released.some(({ name }) => name === version)) entries.unshift(entry(version, builtAt, unreleased));
  return entries.join("\n");
}

/** `## [1.2.0] - 2026-11-30`, and the items below it; an item goes on in lines that are indented. */
function readSections(text) {
  return text
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [heading = "", ...lines] = section.split("\n");
      const [, name, date] = /^\[([^\]]+)\](?: - (\d{4}-\d{2}-\d{2}))?$/.exec(heading) ?? [];
      if (name === undefined || (name !== "Unreleased" && date === undefined))
        throw new Error(`CHANGELOG.md: "## ${heading}" is no "## [version] - YYYY-MM-DD"`);
      return { name, date, changes: readItems(lines) };
    });
}

function readItems(lines) {
  const items = [];
  for (const line of lines) {
    if (line.startsWith("- ")) items.push(line.slice(2));
    else if (/^ +\S/.test(line) && items.length > 0) items.push(`${items.pop()} ${line.trim()}`);
  }
  return items;
}

/** One version, in the form of deb-changelog(5). */
function entry(version, date, changes) {
  const items = changes.length === 0 ? ["No change that a user notices."] : changes;
  const body = items.map((item) => wrap(item.replaceAll("`", "'"))).join("\n");
  // toUTCString ends with GMT, where the format wants the offset.
  const when = date.toUTCString().replace("GMT", "+0000");
  return `emotiond (${version}) stable; urgency=medium\n\n${body}\n\n -- ${MAINTAINER}  ${when}\n`;
}

/** Lines of at most 80 characters, as lintian wants them. */
function wrap(text) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line.length + word.length > 74) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines.map((line, index) => (index === 0 ? `  * ${line}` : `    ${line}`)).join("\n");
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const [, , file, version, seconds] = argv;
  stdout.write(debianChangelog(readFileSync(file, "utf8"), version, new Date(Number(seconds) * 1000)));
}
