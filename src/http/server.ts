import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { listenAddress } from "../config/listen-address.js";
import type { Health } from "../events/schema.js";
import type { DeliveryStats } from "../mqtt/publisher.js";
import { type HttpConfig, HttpConfigError, namesLoopback, readToken, showsToken } from "./access.js";
import { guardConnections } from "./connections.js";
import type { Metrics } from "./metrics.js";

export interface HttpSources {
  readonly health: () => Health | Promise<Health>;
  readonly delivery: () => DeliveryStats;
  readonly metrics: Metrics;
}

export interface HttpServer {
  /** Where it listens, such as `http://127.0.0.1:9464`. */
  readonly url: string;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/**
 * Serves `/healthz`, `/readyz` and `/metrics` until `signal` aborts; null when the configuration says `none`.
 *
 * - `/healthz`: 200 while frames come, or the camera is starting; 503 when it stalls or has failed. The broker does
 *   not count: restarting the daemon would not bring it back.
 * - `/readyz`: 200 when events are made and delivered: frames come and the broker is connected.
 * - `/metrics`: Prometheus' text format.
 *
 * @throws {HttpConfigError} when the address cannot be listened on, or needs a token and has none
 */
export async function startHttp(
  config: HttpConfig,
  sources: HttpSources,
  signal: AbortSignal,
): Promise<HttpServer | null> {
  const address = listenAddress(config.listen);
  if (address === null) return null;
  const { host, port } = address;
  const token = readToken(config, host);

  async function answer(request: IncomingMessage): Promise<Answer> {
    if (token === null && !namesLoopback(request.headers.host)) return problem(421, "unknown host");
    if (token !== null && !showsToken(request.headers.authorization, token)) {
      return problem(401, "show the token of http.tokenFile as `Authorization: Bearer …`");
    }
    if (request.method !== "GET" && request.method !== "HEAD") return problem(405, "only GET and HEAD");
    const path = (request.url ?? "").split("?")[0];
    switch (path) {
      case "/healthz": {
        const health = await sources.health();
        const ok = health.camera.status === "running" || health.camera.status === "starting";
        return json(ok ? 200 : 503, { ok, ...health });
      }
      case "/readyz": {
        const { camera, paused } = await sources.health();
        const { connected } = sources.delivery();
        const waitsFor = [
          // A paused daemon's camera is closed.
          ...(paused || camera.status === "running" ? [] : [`camera (${camera.status})`]),
          ...(connected ? [] : ["broker"]),
        ];
        return json(waitsFor.length === 0 ? 200 : 503, { ready: waitsFor.length === 0, waitsFor });
      }
      case "/metrics":
        return { status: 200, type: sources.metrics.contentType, body: await sources.metrics.text() };
      default:
        return problem(404, "there are /healthz, /readyz and /metrics");
    }
  }

  // Nobody may hold the daemon's sockets: requests are small, and there are few callers. Node looks after its limits every
  // 30 seconds unless told otherwise.
  const limits = {
    connectionsCheckingInterval: 1_000,
    headersTimeout: 3_000,
    requestTimeout: 5_000,
    keepAliveTimeout: 10_000,
  };
  const server = createServer(limits, (request, response) => {
    answer(request)
      .catch(() => problem(500, "internal error"))
      .then((result) => send(request, response, result))
      .catch(() => response.destroy());
  });
  guardConnections(server);
  await listen(server, host, port);
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  const bound = server.address();
  const actual = typeof bound === "object" && bound !== null ? bound.port : port;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${actual}`,
    close: () =>
      new Promise((resolve) => {
        signal.removeEventListener("abort", stop);
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function send(request: IncomingMessage, response: ServerResponse, { status, type, body }: Answer): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...(status === 401 ? { "www-authenticate": "Bearer" } : {}),
    ...(status === 405 ? { allow: "GET, HEAD" } : {}),
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

function json(status: number, value: object): Answer {
  return { status, type: "application/json; charset=utf-8", body: `${JSON.stringify(value)}\n` };
}

function problem(status: number, error: string): Answer {
  return json(status, { error });
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) => {
      const cure =
        error.code === "EADDRINUSE"
          ? "another program listens there: choose another port, or none"
          : error.code === "EACCES"
            ? "the daemon's user may not listen on a port below 1024"
            : error.code === "EADDRNOTAVAIL"
              ? "this machine has no such address"
              : error.message;
      reject(new HttpConfigError("http.listen", `${host}:${port}: ${cure}`));
    };
    server.once("error", fail);
    server.listen(port, host, () => {
      server.off("error", fail);
      server.on("error", () => {});
      resolve();
    });
  });
}
