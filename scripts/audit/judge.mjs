/**
 * What `npm audit --json` found, against the findings that were answered.
 *
 * @param {object} report
 * @param {Record<string, string>} answered the reason why it does no harm here, by advisory (GHSA-…)
 * @returns {{kind: "unreachable", why: string} | {kind: "judged", open: string[], answered: string[], stale: string[]}}
 */
export function judge(report, answered) {
  if (report.vulnerabilities === undefined) {
    return { kind: "unreachable", why: report.message ?? report.error?.summary ?? "no report" };
  }
  const found = new Map();
  for (const [name, { via }] of Object.entries(report.vulnerabilities)) {
    // A string is the name of the dependency that brings it, which has an entry of its own.
    for (const one of via.filter((cause) => typeof cause === "object")) {
      const advisory = /GHSA-[\w-]+/.exec(one.url ?? "")?.[0] ?? String(one.source);
      found.set(advisory, `${name}: ${one.title} (${one.severity}, ${one.range}) ${one.url}`);
    }
  }
  const list = [...found];
  return {
    kind: "judged",
    open: list.filter(([advisory]) => !(advisory in answered)).map(([, text]) => text),
    answered: list.filter(([advisory]) => advisory in answered).map(([, text]) => text),
    stale: Object.keys(answered).filter((advisory) => !found.has(advisory)),
  };
}
