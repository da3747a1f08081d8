import type { IPublishPacket } from "mqtt";
import { parseCommand } from "./commands.js";
import type { Connection } from "./connection.js";
import type { MqttLog } from "./log.js";
import type { Command, CommandHandler, CommandResult } from "./publisher.js";
import { tokenBucket } from "./rate-limit.js";
import { answerTopic, commandName, type Topics } from "./topics.js";

export interface CommandLimits {
  /** Commands let through at once. */
  readonly burst: number;
  /** Commands a second from then on. */
  readonly perSecond: number;
  /** Commands under way at most; what comes beyond is not even answered. */
  readonly waiting: number;
  /** Answers that the broker has not acknowledged, at most; what comes beyond is neither run nor answered. */
  readonly answers: number;
  /** Milliseconds a command may take. */
  readonly timeout: number;
}

export const COMMAND_LIMITS: CommandLimits = {
  burst: 10,
  perSecond: 2,
  waiting: 16,
  answers: 64,
  timeout: 10_000,
};

/** Room for topic and properties beside the picture in the packet of a snapshot. */
const SNAPSHOT_OVERHEAD = 2048;

/**
 * What takes the messages on the command topics, runs them one after the other and answers each. It never throws;
 * a message that does not fit is answered and changes nothing, a retained one is ignored. `onDone` is told of each
 * command that the handler has carried out.
 */
export function commandReceiver(
  topics: Topics,
  handler: CommandHandler,
  log: MqttLog,
  onDone: (command: Command) => void = () => {},
  limits: CommandLimits = COMMAND_LIMITS,
): (connection: Connection, topic: string, payload: Buffer, packet: IPublishPacket) => void {
  const bucket = tokenBucket(limits.burst, limits.perSecond);
  let waiting = 0;
  /** Of the newest connection: one that breaks never tells what became of its answers. */
  let answers: { readonly on: Connection | undefined; due: number } = { on: undefined, due: 0 };
  let turn: Promise<void> = Promise.resolve();

  async function run(connection: Connection, name: string, payload: Buffer): Promise<CommandResult> {
    const parsed = parseCommand(name, payload);
    if (!parsed.ok) return parsed;
    const { jpeg, ...result } = await withTimeout(handler(parsed.command), limits.timeout);
    if (result.ok) onDone(parsed.command);
    if (jpeg === undefined || !result.ok) return result;
    if (jpeg.length + SNAPSHOT_OVERHEAD > connection.maximumPacketSize || connection.congested()) {
      return { ok: false, error: `the broker does not take a picture of ${jpeg.length} bytes now` };
    }
    connection.publish({ topic: topics.snapshot, payload: jpeg, qos: 0, retain: false });
    return result;
  }

  return (connection, topic, payload, packet) => {
    const name = commandName(topics, topic);
    if (name === null) return;
    if (packet.retain) {
      log.warn({ topic }, "a retained command is ignored: clear it with an empty retained message");
      return;
    }
    if (answers.on !== connection) answers = { on: connection, due: 0 };
    const current = answers;
    if (waiting >= limits.waiting || current.due + waiting >= limits.answers) {
      log.warn({ topic }, "too many commands at once: this one is neither run nor answered");
      return;
    }
    waiting += 1;
    const answer = (result: CommandResult) => {
      current.due += 1;
      const asked = packet.properties?.responseTopic;
      const correlationData = packet.properties?.correlationData;
      connection.publish(
        {
          topic: answerTopic(topics, asked),
          payload: JSON.stringify(result),
          qos: 1,
          retain: false,
          ...(correlationData === undefined ? {} : { properties: { correlationData } }),
        },
        (delivery) => {
          current.due -= 1;
          if (delivery.outcome === "refused") {
            log.warn({ topic, reason: delivery.reason }, "the broker refused the answer to a command");
          }
        },
      );
    };
    if (!bucket.take(performance.now())) {
      waiting -= 1;
      answer({ ok: false, error: `too many commands: ${limits.perSecond} a second are taken` });
      return;
    }
    turn = turn
      .then(() => run(connection, name, payload))
      .catch(
        (error: unknown): CommandResult => ({
          ok: false,
          error: error instanceof CommandTimeout ? error.message : "the command failed",
        }),
      )
      .then((result) => {
        waiting -= 1;
        log.info({ command: name.slice(0, 64), ...result }, "command");
        answer(result);
      });
  };
}

class CommandTimeout extends Error {}

async function withTimeout<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new CommandTimeout(`not done within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
