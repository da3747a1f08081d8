import { expect, it } from "vitest";

type Verdict =
  | { readonly kind: "unreachable"; readonly why: string }
  | {
      readonly kind: "judged";
      readonly open: string[];
      readonly answered: string[];
      readonly stale: string[];
    };
const { judge } = (await import(new URL("../../scripts/audit/judge.mjs", import.meta.url).href)) as {
  judge(report: object, answered: Record<string, string>): Verdict;
};

const report = {
  vulnerabilities: {
    tar: {
      via: [
        {
          source: 1,
          title: "writes where it should not",
          url: "https://github.com/advisories/GHSA-8qq5-rm4j-mr97",
          severity: "high",
          range: "<=7.5.2",
        },
      ],
    },
    "node-gyp": { via: ["tar"] },
  },
};
const text =
  "tar: writes where it should not (high, <=7.5.2) https://github.com/advisories/GHSA-8qq5-rm4j-mr97";

it("names a finding of npm audit once, unless it is answered", () => {
  expect(judge(report, {})).toEqual({ kind: "judged", open: [text], answered: [], stale: [] });
  expect(judge(report, { "GHSA-8qq5-rm4j-mr97": "only headers are unpacked", "GHSA-old": "" })).toEqual({
    kind: "judged",
    open: [],
    answered: [text],
    stale: ["GHSA-old"],
  });
});

it("tells a registry without an audit from a clean bill", () => {
  expect(judge({ message: "405 Method Not Allowed", error: { summary: "" } }, {})).toEqual({
    kind: "unreachable",
    why: "405 Method Not Allowed",
  });
  expect(judge({ vulnerabilities: {} }, {})).toMatchObject({ kind: "judged", open: [] });
});
