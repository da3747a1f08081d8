import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { createMetrics } from "../../src/http/metrics.js";
import { sampleEvent, sampleHealth } from "../mqtt/support/samples.js";

const folder = join(import.meta.dirname, "../../scripts/observability");
const read = (name: string) => readFileSync(join(folder, name), "utf8");
const { findPromtool } = (await import(
  new URL("../../scripts/setup/promtool.mjs", import.meta.url).href
)) as { findPromtool(): string | undefined };
const promtool = process.env.PROMTOOL ?? findPromtool();

interface Dashboard {
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly w: number };
    readonly targets: readonly { readonly expr: string }[];
  }[];
}
interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string }[];
  }[];
}

const dashboard = JSON.parse(read("grafana-dashboard.json")) as Dashboard;
const rules = parse(read("alerts.yaml")) as Rules;
const dashboardQueries = dashboard.panels.flatMap((panel) => panel.targets.map((target) => target.expr));
const alertQueries = rules.groups.flatMap((group) => group.rules.map((rule) => rule.expr));

async function exposition(): Promise<string> {
  const metrics = createMetrics({
    health: sampleHealth,
    delivery: () => ({ connected: true, buffered: 0, dropped: 0, replayed: 0 }),
    faces: () => 0,
    throttling: () =>
      Promise.resolve({
        undervoltage: false,
        frequencyCapped: false,
        throttled: false,
        softTemperatureLimit: false,
      }),
  });
  metrics.stage("detect", 1);
  metrics.frame(1);
  metrics.event(sampleEvent(1));
  return metrics.text();
}

describe("dashboard and alerts", () => {
  it("ask only for metrics that the daemon has", async () => {
    const text = await exposition();
    const known = new Set([...text.matchAll(/^([a-z_]+)[{ ]/gm)].map(([, name]) => name));
    for (const query of [...dashboardQueries, ...alertQueries]) {
      for (const [name] of query.matchAll(/\b(emotiond|process|nodejs)_[a-z0-9_]+/g)) {
        expect([...known, "nodejs_eventloop_lag_p99_seconds"], query).toContain(name);
      }
    }
    expect(text).toContain("nodejs_eventloop_lag_p99_seconds");
  });

  it("leave out none of the daemon's own metrics", async () => {
    const names = [...(await exposition()).matchAll(/^# TYPE (emotiond_[a-z_]+)/gm)].map(
      ([, name]) => name ?? "",
    );
    const queries = [...dashboardQueries, ...alertQueries].join("\n");
    for (const name of names) {
      if (name !== "emotiond_uptime_seconds") expect(queries).toContain(name);
    }
  });

  it("have panels with numbers and places of their own", () => {
    const ids = dashboard.panels.map((panel) => panel.id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { gridPos } of dashboard.panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
  });

  it("pass promtool: rules, their tests, the dashboard's queries, and the metrics", async ({ skip }) => {
    if (promtool === undefined)
      return skip("there is no promtool: it comes with Debian's package prometheus");
    const check = (args: string[], input?: string) => {
      const result = spawnSync(promtool, args, {
        encoding: "utf8",
        ...(input === undefined ? {} : { input }),
      });
      expect(`${result.stdout}${result.stderr}`, args.join(" ")).not.toMatch(/FAILED|error/i);
      expect(result.status, `${args.join(" ")}\n${result.stdout}${result.stderr}`).toBe(0);
    };
    check(["check", "rules", join(folder, "alerts.yaml")]);
    check(["test", "rules", join(folder, "alerts.test.yaml")]);
    const asRules = {
      groups: [
        {
          name: "dashboard",
          rules: dashboardQueries.map((query, i) => ({
            record: `query_${i}`,
            expr: query.replaceAll("$__rate_interval", "5m").replaceAll("$instance", ".*"),
          })),
        },
      ],
    };
    const file = join(mkdtempSync(join(tmpdir(), "emotiond-promtool-")), "dashboard.yaml");
    writeFileSync(file, JSON.stringify(asRules));
    check(["check", "rules", file]);
    const own = (await exposition())
      .split("\n")
      .filter((line) => /^(# (HELP|TYPE) )?emotiond_/.test(line))
      .join("\n");
    check(["check", "metrics"], `${own}\n`);
  });
});
