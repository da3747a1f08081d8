import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { isThisMachine } from "../../src/base/this-machine.js";
import { configSchema } from "../../src/config/schema.js";
import type { Health } from "../../src/events/schema.js";
import { HttpConfigError, namesLoopback } from "../../src/http/access.js";
import { createMetrics } from "../../src/http/metrics.js";
import { startHttp } from "../../src/http/server.js";
import { readThrottling, throttlingFile } from "../../src/http/throttling.js";
import type { DeliveryStats } from "../../src/mqtt/publisher.js";
import { sampleEvent, sampleHealth } from "../mqtt/support/samples.js";

const folder = mkdtempSync(join(tmpdir(), "emotiond-http-"));
const file = (name: string, content: string) => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

let end = new AbortController();
afterEach(() => {
  end.abort();
  end = new AbortController();
});

async function serve(
  http: object = {},
  health: Health = sampleHealth(),
  delivery: DeliveryStats = { connected: true, buffered: 3, dropped: 2, replayed: 1 },
) {
  const config = configSchema.parse({ device: "kitchen", http: { listen: "127.0.0.1:0", ...http } }).http;
  const sources = { health: () => health, delivery: () => delivery };
  const metrics = createMetrics({
    ...sources,
    faces: () => 4,
    throttling: () => Promise.resolve(UNDERVOLTAGE),
  });
  const server = await startHttp(config, { ...sources, metrics }, end.signal);
  if (server === null) throw new Error("no server");
  return { url: server.url, metrics };
}
const UNDERVOLTAGE = {
  undervoltage: true,
  frequencyCapped: false,
  throttled: false,
  softTemperatureLimit: false,
};

/** fetch() does not let a caller choose the Host header. */
function get(url: string, headers: Record<string, string> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, { headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on("error", reject)
      .end();
  });
}

describe("http", () => {
  it("tells health and readiness", async () => {
    const good = await serve();
    const health = await fetch(`${good.url}/healthz`);
    expect(health.status).toBe(200);
    expect(await health.json()).toMatchObject({ ok: true, camera: { status: "running" } });
    expect((await fetch(`${good.url}/readyz`)).status).toBe(200);

    const stalled = sampleHealth();
    const bad = await serve(
      {},
      { ...stalled, camera: { ...stalled.camera, status: "stalled" } },
      {
        connected: false,
        buffered: 0,
        dropped: 0,
        replayed: 0,
      },
    );
    expect((await fetch(`${bad.url}/healthz`)).status).toBe(503);
    const ready = await fetch(`${bad.url}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toEqual({ ready: false, waitsFor: ["camera (stalled)", "broker"] });
  });

  it("does not call a daemon unhealthy because the broker is away", async () => {
    const { url } = await serve({}, sampleHealth(), {
      connected: false,
      buffered: 0,
      dropped: 0,
      replayed: 0,
    });
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
  });

  it("serves metrics in Prometheus' format", async () => {
    const { url, metrics } = await serve();
    metrics.stage("detect", 12);
    metrics.frame(40);
    metrics.event(sampleEvent(1));
    for (let i = 0; i < 2; i++) {
      const response = await fetch(`${url}/metrics`);
      expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
      const text = await response.text();
      for (const line of [
        'emotiond_stage_duration_seconds_count{stage="detect"} 1',
        "emotiond_frame_latency_seconds_sum 0.04",
        'emotiond_events_total{type="update",label="happy"} 1',
        'emotiond_camera_status{status="running"} 1',
        'emotiond_camera_status{status="failed"} 0',
        "emotiond_faces 4",
        "emotiond_mqtt_connected 1",
        "emotiond_mqtt_buffered_events 3",
        "emotiond_mqtt_dropped_events_total 2",
        "emotiond_mqtt_replayed_events_total 1",
        "emotiond_soc_temperature_celsius 50",
        'emotiond_soc_throttled{reason="undervoltage"} 1',
        'emotiond_info{version="0.0.0",model="test",engine="onnx-int8"} 1',
      ]) {
        expect(text.split("\n")).toContain(line);
      }
      expect(text).toMatch(/^process_resident_memory_bytes \d/m);
    }
  });

  it("gives no figure where there is nothing that measures", async () => {
    const health = sampleHealth();
    const { url } = await serve(
      {},
      { ...health, temperature: null, camera: { ...health.camera, lastFrameAge: null } },
    );
    const lines = (await (await fetch(`${url}/metrics`)).text()).split("\n");
    expect(lines).toContain("emotiond_soc_temperature_celsius Nan");
    expect(lines).toContain("emotiond_camera_last_frame_age_seconds Nan");
  });

  it("knows no other path and no other method", async () => {
    const { url } = await serve();
    expect((await fetch(`${url}/`)).status).toBe(404);
    expect((await fetch(`${url}/../etc/passwd`)).status).toBe(404);
    expect((await fetch(`${url}/metrics`, { method: "POST", body: "x" })).status).toBe(405);
    expect(await (await fetch(`${url}/healthz`, { method: "HEAD" })).text()).toBe("");
  });

  it("answers on loopback only to who asks for this machine", async () => {
    const { url } = await serve();
    expect(await get(`${url}/healthz`, { host: "evil.example" })).toBe(421);
    expect(await get(`${url}/healthz`, { host: "localhost:9464" })).toBe(200);
  });

  it("refuses to listen for the network without a token", async () => {
    await expect(serve({ listen: "0.0.0.0:0" })).rejects.toThrow(
      new HttpConfigError(
        "http.tokenFile",
        "missing: 0.0.0.0:0 can be reached from other machines; name a file with a token, or listen on 127.0.0.1",
      ),
    );
    await expect(serve({ listen: "0.0.0.0:0", tokenFile: "/nowhere" })).rejects.toThrow(
      /cannot be read \(ENOENT\)/,
    );
    await expect(serve({ listen: "0.0.0.0:0", tokenFile: file("short", "short") })).rejects.toThrow(
      /at least 16/,
    );
  });

  it("asks for the token", async () => {
    const token = "0123456789abcdef0123";
    const { url } = await serve({ listen: "0.0.0.0:0", tokenFile: file("token", `${token}\n`) });
    const at = url.replace("0.0.0.0", "127.0.0.1");
    for (const path of ["/healthz", "/readyz", "/metrics", "/other"]) {
      expect(await get(at + path)).toBe(401);
      expect(await get(at + path, { authorization: "Bearer wrong" })).toBe(401);
    }
    expect(await get(`${at}/metrics`, { authorization: `Bearer ${token}` })).toBe(200);
  });

  it("says why it cannot listen", async () => {
    const { url } = await serve();
    const port = new URL(url).port;
    await expect(serve({ listen: `127.0.0.1:${port}` })).rejects.toThrow(/another program listens there/);
    await expect(serve({ listen: "192.0.2.1:0", tokenFile: file("t", "x".repeat(20)) })).rejects.toThrow(
      /no such address/,
    );
  });

  it("is off with `none`, and ends with its signal", async () => {
    const config = configSchema.parse({ device: "kitchen", http: { listen: "none" } }).http;
    expect(await startHttp(config, {} as never, end.signal)).toBeNull();
    const { url } = await serve();
    end.abort();
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  });

  it("survives rubbish on the socket", async () => {
    const { url } = await serve();
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    socket.on("error", () => {});
    socket.resume();
    socket.write("\0\xff rubbish\r\n\r\n");
    await new Promise((resolve) => socket.once("close", resolve));
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });
});

describe("access", () => {
  it("knows what only this machine can reach", () => {
    expect(["127.0.0.1", "127.1.2.3", "::1", "localhost"].every(isThisMachine)).toBe(true);
    expect(["0.0.0.0", "::", "127.example.com", "192.168.0.1", "localhost.example"].some(isThisMachine)).toBe(
      false,
    );
    expect(["127.0.0.1:9464", "[::1]:9464", "localhost"].every(namesLoopback)).toBe(true);
    expect([undefined, "", "evil.example", "127.0.0.1.evil.example"].some(namesLoopback)).toBe(false);
  });
});

describe("throttling", () => {
  it("reads the firmware's flags", async () => {
    expect(await readThrottling(file("flags", "50005\n"))).toEqual({
      undervoltage: true,
      frequencyCapped: false,
      throttled: true,
      softTemperatureLimit: false,
    });
    expect(await readThrottling("/nowhere")).toBeNull();
    const devices = mkdtempSync(join(tmpdir(), "emotiond-devices-"));
    expect(await throttlingFile(devices)).toBeUndefined();
    const firmware = join(devices, "soc@107c000000/soc@107c000000:firmware");
    mkdirSync(firmware, { recursive: true });
    expect(await throttlingFile(devices)).toBe(join(firmware, "get_throttled"));
    expect(await readThrottling(file("rubbish", "rubbish"))).toBeNull();
  });
});
