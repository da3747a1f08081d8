import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connectAsync, type MqttClient } from "mqtt";

export interface Message {
  readonly at: number;
  readonly topic: string;
  readonly text: string;
  readonly retained: boolean;
}

/** A real mosquitto on the host, with a password, and everything that was ever published. */
export interface Broker {
  readonly port: number;
  readonly messages: readonly Message[];
  publish(topic: string, text: string): Promise<void>;
  stop(): Promise<void>;
}

export const USER = "emotiond";
export const PASSWORD = "a secret of the test";

export async function startBroker(work: string): Promise<Broker> {
  const port = await freePort();
  const passwords = join(work, "passwords");
  writeFileSync(passwords, "", { mode: 0o600 });
  execFileSync("mosquitto_passwd", ["-b", passwords, USER, PASSWORD]);
  const config = join(work, "mosquitto.conf");
  const asRoot = process.getuid?.() === 0 ? "user root\n" : "";
  writeFileSync(config, `${asRoot}listener ${port} 127.0.0.1\npassword_file ${passwords}\n`);
  const mosquitto: ChildProcess = spawn("mosquitto", ["-c", config], { stdio: "ignore" });

  const client = await subscribe(port);
  const messages: Message[] = [];
  client.on("message", (topic, payload, packet) => {
    messages.push({ at: performance.now(), topic, text: payload.toString("utf8"), retained: packet.retain });
  });
  await client.subscribeAsync("#", { qos: 1 });

  return {
    port,
    messages,
    async publish(topic, text) {
      await client.publishAsync(topic, text, { qos: 1 });
    },
    async stop() {
      await client.endAsync(true);
      const gone = once(mosquitto, "exit");
      mosquitto.kill();
      await gone;
    },
  };
}

async function subscribe(port: number): Promise<MqttClient> {
  for (let tries = 0; ; tries++) {
    try {
      return await connectAsync(`mqtt://127.0.0.1:${port}`, { username: USER, password: PASSWORD });
    } catch (error) {
      if (tries > 20) throw error;
      await sleep(250);
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
