import { configKeys } from "../../src/config/environment.js";

/** The table of every key in src/config/README.md, from the schema itself. */
export function configurationTable(): string {
  const rows = configKeys().map(({ path, environment, byDefault, description, type }) => {
    const value =
      path === "device" ? "host name" : byDefault === undefined ? "" : `\`${JSON.stringify(byDefault)}\``;
    const choices = type.includes("|") ? ` (${type.replaceAll(" | ", ", ")})` : "";
    return `| \`${path}\` | \`${environment}\` | ${value} | ${description}${choices} |`;
  });
  return ["| key | environment | default | meaning |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

const BEGIN = "<!-- configuration reference: npm run reference -->";
const END = "<!-- end of the configuration reference -->";

/**
 * A README with the table in its place.
 *
 * @throws Error when the markers are not there.
 */
export function withConfigurationTable(readme: string): string {
  const begin = readme.indexOf(BEGIN);
  const end = readme.indexOf(END);
  if (begin < 0 || end < begin)
    throw new Error("src/config/README.md has lost the markers of its configuration reference");
  return `${readme.slice(0, begin + BEGIN.length)}\n${configurationTable()}\n${readme.slice(end)}`;
}
