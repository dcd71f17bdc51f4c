/**
 * The service under attack: `service.ts --simulate` as a process of its own, with a key of its own
 * on a port of its own. What it counted is in its log: every acceptance and flush (LogLevel debug),
 * and sums of refusals by reason, the last of them when it ends.
 */
import type { RefusalReason } from "../../lib/receiver/accept.ts";
import { createKey, type Key } from "../../lib/wire/keys.ts";
import { startServiceProcess } from "../support/programs.ts";
import { type JudgedKey, judgedKey } from "./judge.ts";
import type { Random } from "./random.ts";

/** Where services and senders of one attack find key and settings. */
export interface Camp extends AsyncDisposable {
  readonly key: Key;
  readonly judged: JudgedKey;
  readonly password: string;
  readonly keyPath: string;
  readonly configPath: string;
  readonly port: number;
}

/** Makes a folder with a random key, and settings that let loopback alone in. */
export async function pitchCamp(random: Random): Promise<Camp> {
  const folder = await Deno.makeTempDir({ prefix: "arpflush-attack-" });
  const secret = crypto.getRandomValues(new Uint8Array(32));
  const password = `Secret ${random.below(1e9)}!`;
  const port = freePort();
  const keyPath = `${folder}/key`;
  const configPath = `${folder}/arpflush.toml`;
  const settings = {
    Port: port,
    KeyFile: keyPath,
    Password: password,
    HoldDownSeconds: 1,
    AllowedSources: ["203.0.113.0/24"],
    LogLevel: "debug",
    LogFormat: "json",
  };
  const lines = Object.entries(settings).map(([name, value]) =>
    `${name} = ${JSON.stringify(value)}\n`
  );
  await Deno.writeTextFile(keyPath, `${secret.toBase64()}\n`, { mode: 0o600 });
  await Deno.writeTextFile(configPath, lines.join(""), { mode: 0o600 });
  return {
    key: createKey(secret),
    judged: judgedKey(secret),
    password,
    keyPath,
    configPath,
    port,
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

function freePort(): number {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const { addr } = socket;
  socket.close();
  if (addr.transport !== "udp") throw new Error("Cannot find a free UDP port");
  return addr.port;
}

/** What a service did, by its log. */
export interface ServiceTally {
  readonly accepted: number;
  readonly flushes: number;
  readonly refused: Readonly<Partial<Record<RefusalReason, number>>>;
  /** Lines of other events by name: what nobody expected would be here. */
  readonly others: Readonly<Record<string, number>>;
}

/** A running service. */
export interface Target extends AsyncDisposable {
  /** What the log has said so far. */
  tally(): ServiceTally;
  /** Resolves when the log has told of an acceptance from a sender of this name. */
  told(sender: string): Promise<void>;
  /** Ends it cleanly and gives everything it did. */
  stop(): Promise<ServiceTally>;
}

/** More than a busy machine takes for a line of the log. */
const patienceMs = 60_000;

/** Waits for a line, but not for ever. */
async function soon(line: Promise<string>, what: string): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`The log does not tell of ${what}`)), patienceMs);
  try {
    await Promise.race([line, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Starts the service and waits until it listens. */
export async function startTarget({ configPath }: Camp): Promise<Target> {
  const service = startServiceProcess({ args: ["--simulate", "--config", configPath] });
  await soon(service.line(/"event":"started"/), "its start");
  const tally = () => tallyOf(service.log);
  return {
    tally,
    told: (sender) => soon(service.line(new RegExp(`"accepted".*${sender} `)), sender),
    async stop() {
      const code = await service.stop();
      if (code !== 0) throw new Error(`The service ended with code ${code}`);
      return tally();
    },
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  };
}

/** Adds up the lines of a log in JSON. */
export function tallyOf(log: readonly string[]): ServiceTally {
  const refused: Partial<Record<string, number>> = {};
  const others: Record<string, number> = {};
  let accepted = 0;
  let flushes = 0;
  for (const line of log) {
    const { event, values } = JSON.parse(line);
    if (event === "accepted") accepted++;
    else if (event === "flushed") flushes++;
    else if (event === "refused") {
      for (const [, count, reason] of String(values.reasons).matchAll(/(\d+) ([^,]+)/g)) {
        refused[reason] = (refused[reason] ?? 0) + Number(count);
      }
    } else others[event] = (others[event] ?? 0) + 1;
  }
  return { accepted, flushes, refused, others };
}
