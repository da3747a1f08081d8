import { createServer, get as httpGet, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { configSchema } from "../../src/config/schema.js";
import { guardConnections } from "../../src/http/connections.js";
import { createMetrics } from "../../src/http/metrics.js";
import { startHttp } from "../../src/http/server.js";
import { sampleHealth } from "../mqtt/support/samples.js";

let end = new AbortController();
const sockets: Socket[] = [];
const servers: Server[] = [];
afterEach(() => {
  end.abort();
  end = new AbortController();
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

const REQUEST = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

async function serve(): Promise<number> {
  const config = configSchema.parse({ device: "kitchen", http: { listen: "127.0.0.1:0" } }).http;
  const sources = {
    health: () => sampleHealth(),
    delivery: () => ({ connected: true, buffered: 0, dropped: 0, replayed: 0 }),
  };
  const metrics = createMetrics({ ...sources, faces: () => 0, throttling: () => Promise.resolve(null) });
  const server = await startHttp(config, { ...sources, metrics }, end.signal);
  return Number(new URL(server?.url ?? "").port);
}

/** Opens a connection, and sends what is given; it reads, unless told not to. */
function open(port: number, text: string, localAddress = "127.0.0.1"): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", localAddress });
    sockets.push(socket);
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.on("error", () => {});
      socket.resume();
      if (text !== "") socket.write(text);
      resolve(socket);
    });
  });
}

/** Status of an answer on a connection of its own, which must come within a second; 0 for none. */
function ask(port: number): Promise<number> {
  return new Promise((resolve) => {
    const request = httpGet(
      { port, host: "127.0.0.1", path: "/healthz", agent: false, timeout: 1_000 },
      (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      },
    );
    request.on("timeout", () => request.destroy());
    request.on("error", () => resolve(0));
  });
}

const closed = (socket: Socket): Promise<void> =>
  socket.closed ? Promise.resolve() : new Promise((resolve) => socket.once("close", () => resolve()));

describe("connections that hold on", () => {
  it.each([
    ["say nothing", ""],
    ["have sent half a request", "GET /healthz HTTP/1.1\r\nHost: "],
    ["have sent half a body", "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx"],
    ["have had their answer", REQUEST],
  ])("shut nobody out when they %s", async (_what, text) => {
    const port = await serve();
    for (let round = 0; round < 3; round++) {
      await Promise.all(Array.from({ length: 64 }, () => open(port, text)));
      expect(await ask(port)).toBe(200);
    }
  });

  it("are closed within seconds, also when they send a byte now and then", async () => {
    const port = await serve();
    const idle = await open(port, "");
    const trickling = await open(port, "GET /healthz HTTP/1.1\r\n");
    const timer = setInterval(() => trickling.write("x"), 500);
    try {
      await Promise.all([closed(idle), closed(trickling)]);
    } finally {
      clearInterval(timer);
    }
    expect(await ask(port)).toBe(200);
  }, 15_000);

  it("are closed when they ask again and again before they are answered", async () => {
    const port = await serve();
    await closed(await open(port, REQUEST.repeat(200)));
    const few = await open(port, REQUEST.repeat(3));
    let answers = "";
    few.on("data", (text) => {
      answers += text.toString();
    });
    await expect.poll(() => answers.split("HTTP/1.1 200").length - 1).toBe(3);
  });

  it("make room for their own address, and leave the others' alone", async () => {
    const port = await serve();
    const quiet = await open(port, REQUEST, "127.0.0.3");
    await Promise.all(Array.from({ length: 200 }, () => open(port, "", "127.0.0.2")));
    expect(await ask(port)).toBe(200);
    let answers = "";
    quiet.on("data", (text) => {
      answers += text.toString();
    });
    quiet.write(REQUEST);
    await expect.poll(() => answers).toContain("200 OK");
  });

  it("are closed while they wait rather than while they are answered", async () => {
    const server = createServer((_request, response) => void setTimeout(() => response.end("late"), 1_000));
    servers.push(server);
    guardConnections(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const answer = new Promise<string>((resolve) => {
      void open(port, REQUEST).then((socket) => socket.once("data", (text) => resolve(text.toString())));
    });
    await new Promise((resolve) => server.once("request", resolve));
    await Promise.all(Array.from({ length: 100 }, () => open(port, "")));
    expect(await answer).toContain("late");
    expect(await new Promise((resolve) => server.getConnections((_error, count) => resolve(count)))).toBe(32);
  });
});
