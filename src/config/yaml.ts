import { type Document, isAlias, isNode, isScalar, parseAllDocuments, visit } from "yaml";
import { ConfigError } from "./problem.js";

/** Tags of values that a configuration has; they say no more than how the value is written. */
const PLAIN_TAGS = /^(!|tag:yaml\.org,2002:(str|int|float|bool|null|map|seq))$/;

/** Tags of other programs' configurations, which are no secret. */
const KNOWN_TAGS = /^!(secret|include\w*|env_var|input|lambda|vault|reference|ref|sub|getatt)$/i;

/**
 * Reads the text of a configuration file: one YAML 1.2 document, without what would be read as something else than is
 * meant. An empty one is an empty object.
 *
 * @param file the name that its problems carry
 * @throws ConfigError with what is wrong, where, and the cure; no word of the text, which may be a password
 */
export function parseYaml(text: string, file: string): unknown {
  const refuse = (message: string): never => {
    throw new ConfigError([{ path: file, message }]);
  };
  const read = parseAllDocuments(text, { strict: true, uniqueKeys: true, logLevel: "silent" });
  const documents = Array.isArray(read) ? (read as readonly Document.Parsed[]) : [];
  for (const document of documents) {
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) refuse(explain(problem, text));
    const { yaml } = document.directives ?? {};
    if (yaml?.explicit === true && yaml.version !== "1.2") {
      refuse(
        `is not usable YAML: a %YAML directive asks for version ${yaml.version}; take it out, 1.2 is what is read`,
      );
    }
    visit(document, {
      Node: (_key, node) => {
        const at = place(text, node.range?.[0]);
        if (isAlias(node)) refuse(`is not usable YAML: ${ALIAS}${at}`);
        if (isNode(node) && "anchor" in node && node.anchor !== undefined)
          refuse(`is not usable YAML: ${ANCHOR}${at}`);
        if (node.tag !== undefined && !PLAIN_TAGS.test(node.tag))
          refuse(`is not usable YAML: ${tagged(node.tag)}${at}`);
      },
      Pair: (_key, { key }) => {
        if (isScalar(key) && key.value === "<<") {
          refuse(`is not usable YAML: ${MERGE}${place(text, key.range?.[0])}`);
        }
        if (!isScalar(key)) refuse("is not usable YAML: a key must be a word, not a list or a section");
      },
    });
  }
  // A `---` before the first or after the last one opens nothing.
  const filled = documents.filter(({ contents }) => contents !== null && !isNothing(contents));
  const second = filled[1];
  if (second !== undefined) {
    refuse(
      `must be a single YAML document: take out the --- (or ...) before the second${place(text, second.contents?.range?.[0])}, and it is read as a part of the first`,
    );
  }
  return (filled[0]?.toJS({ maxAliasCount: 0 }) as unknown) ?? {};
}

const QUOTES = "a value that begins with it must stand in quotes";
const ALIAS = `an alias (*) is not taken: write out what it stands for; ${QUOTES}`;
const ANCHOR = `an anchor (&) is not taken, for nothing may stand for something else here; ${QUOTES}`;
const MERGE = "a merge key (<<) is not taken: write the keys out that it would bring";

function tagged(tag: string): string {
  const name = KNOWN_TAGS.test(tag) ? tag : "(!…)";
  return `a tag ${name} means nothing here: write the value itself, or the key's …File or environment variable where it is a secret; ${QUOTES}`;
}

function isNothing(contents: unknown): boolean {
  return isScalar(contents) && contents.value === null && contents.source === "";
}

/** A problem in words of ours where YAML's own would repeat the text. */
function explain(
  problem: { readonly code: string; readonly message: string; readonly pos: readonly number[] },
  text: string,
): string {
  const at = place(text, problem.pos[0]);
  switch (problem.code) {
    case "TAG_RESOLVE_FAILED":
      return `is not usable YAML: ${tagged(/!\w+/.exec(problem.message)?.[0] ?? "")}${at}`;
    case "BAD_ALIAS":
      return `is not usable YAML: ${ALIAS}${at}`;
    case "BAD_DIRECTIVE":
      return `is not usable YAML: there is a directive (%) that means nothing here; take it out${at}`;
    case "TAB_AS_INDENT":
      return `is not valid YAML: keys are indented with blanks, not with tabs${at}`;
    default: {
      const told = problem.message.split("\n")[0] ?? "";
      return `is not valid YAML: ${told.replace(/ at line \d+, column \d+:?$/, "").replace(/: ".*$/s, "")}${at}`;
    }
  }
}

function place(text: string, offset: number | undefined): string {
  if (offset === undefined) return "";
  const before = text.slice(0, offset).split("\n");
  return ` (line ${before.length}, column ${(before.at(-1) ?? "").length + 1})`;
}
