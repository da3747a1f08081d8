import type { IPublishPacket } from "mqtt";
import { createCollapser } from "../base/collapse.js";
import type { Logger } from "../base/logger.js";
import { isCommandName, parseCommand } from "./commands.js";
import type { Connection } from "./connection.js";
import type { Command, CommandHandler, CommandResult } from "./publisher.js";
import { tokenBucket } from "./rate-limit.js";
import { answerTopic, commandName, type Topics } from "./topics.js";

export interface CommandLimits {
  /** Commands let through at once. */
  readonly burst: number;
  /** Commands a second from then on. */
  readonly perSecond: number;
  /** Refusals that are answered, at once and a second from then on; what comes beyond is only counted. */
  readonly refusals?: { readonly burst: number; readonly perSecond: number };
  /** Commands under way at most; what comes beyond is not even answered. */
  readonly waiting: number;
  /** Answers that the broker has not acknowledged, at most; what comes beyond is neither run nor answered. */
  readonly answers: number;
  /** Milliseconds a command may take. */
  readonly timeout: number;
}

const REFUSALS = { burst: 50, perSecond: 10 };

export const COMMAND_LIMITS: CommandLimits = {
  burst: 10,
  perSecond: 2,
  refusals: REFUSALS,
  waiting: 16,
  answers: 64,
  timeout: 20_000,
};

/** Bytes of the largest correlation data that is sent back. */
const MAX_CORRELATION_BYTES = 1024;

/** Room for topic and properties beside the picture in the packet of a snapshot. */
const SNAPSHOT_OVERHEAD = 2048;

/**
 * What takes the messages on the command topics, runs them one after the other (a snapshot beside those after it) and
 * answers each. It never throws; a message that does not fit is answered and changes nothing, a retained one is
 * ignored. `onDone` is told of each command that the handler has carried out.
 *
 * Whatever comes, a second sees a bounded number of commands, answers and log lines. No text that a sender chose tells
 * one log line from another: it would make a line of each message.
 */
export function commandReceiver(
  topics: Topics,
  handler: CommandHandler,
  log: Logger,
  onDone: (command: Command) => void = () => {},
  limits: CommandLimits = COMMAND_LIMITS,
  homeAssistantPrefix?: string,
): (connection: Connection, topic: string, payload: Buffer, packet: IPublishPacket) => void {
  const commands = tokenBucket(limits.burst, limits.perSecond);
  const { burst, perSecond } = limits.refusals ?? REFUSALS;
  const refusals = tokenBucket(burst, perSecond);
  const lines = createCollapser();
  let waiting = 0;
  /** Of the newest connection: one that breaks never tells what became of its answers. */
  let answers: { readonly on: Connection | undefined; due: number } = { on: undefined, due: 0 };
  let turn: Promise<void> = Promise.resolve();

  /** A line a second at most for each `what`, which is one of ours; `count` is how many messages it stands for. */
  function warn(what: string, details: object = {}): void {
    lines.offer(what, (count) => log.warn({ ...details, count }, what));
  }

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
      warn("a retained command is ignored: clear it with an empty retained message");
      return;
    }
    if (answers.on !== connection) answers = { on: connection, due: 0 };
    const current = answers;
    const correlationData = packet.properties?.correlationData;
    const echoes = correlationData === undefined || correlationData.length <= MAX_CORRELATION_BYTES;

    const answer = (result: CommandResult) => {
      current.due += 1;
      connection.publish(
        {
          topic: answerTopic(topics, packet.properties?.responseTopic, homeAssistantPrefix),
          payload: JSON.stringify(result),
          qos: 1,
          retain: false,
          ...(correlationData === undefined || !echoes ? {} : { properties: { correlationData } }),
        },
        (delivery) => {
          current.due -= 1;
          if (delivery.outcome === "refused") {
            warn(`the broker refused the answer to a command: ${delivery.failure.message}`, {
              code: delivery.failure.code,
            });
          }
        },
      );
    };
    const room = () => waiting < limits.waiting && current.due + waiting < limits.answers;
    /** False when nobody can be answered just now. */
    const refuse = (error: string) => {
      const possible = room() && refusals.take(performance.now());
      // After the answers to what came before; no more wait than the rate of refusals lets through meanwhile.
      if (possible) turn = turn.then(() => answer({ ok: false, error }));
      return possible;
    };
    const tooMany = () => warn("too many commands at once: these are neither run nor answered");

    if (!isCommandName(name)) {
      // They take nothing from the rate of those that there are: a flood of them keeps nobody from pausing.
      warn("unknown commands", { newest: { name: name.slice(0, 64) } });
      const unknown = parseCommand(name, payload);
      if (!unknown.ok) refuse(unknown.error);
    } else if (!echoes) {
      const given = correlationData.length;
      if (!refuse(`correlation data of ${given} bytes; at most ${MAX_CORRELATION_BYTES} are taken`))
        tooMany();
    } else if (!room()) {
      tooMany();
    } else if (!commands.take(performance.now())) {
      if (!refuse(`too many commands: ${limits.perSecond} a second are taken`)) tooMany();
    } else {
      waiting += 1;
      const answered = turn
        .then(() => run(connection, name, payload))
        .catch(
          (error: unknown): CommandResult => ({
            ok: false,
            error: error instanceof CommandTimeout ? error.message : "the command failed",
          }),
        )
        .then((result) => {
          waiting -= 1;
          // The error may quote the sender: inside an object it is no part of what tells two lines apart.
          log.info({ command: name, ok: result.ok, ...(result.ok ? {} : { answer: result }) }, "command");
          answer(result);
        });
      // A picture may take seconds to be searched for faces: a pause never waits for it.
      if (name !== "snapshot") turn = answered;
    }
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
