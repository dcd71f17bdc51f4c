/**
 * `deno task attack`: forged requests, replays and forged acks against the real service and sender. On
 * Linux it moves into a network namespace of its own, if it may, where the kernel's count of datagrams
 * must be the attack's.
 */
import { parseArgs } from "node:util";
import { messageOf } from "../../lib/errors.ts";
import { readNetworkCounter } from "../support/linux.ts";
import { findIsolation, ip } from "../support/namespaces.ts";
import { attackWithAcks } from "./acks.ts";
import { createRandom, type Random } from "./datagrams.ts";
import type { Findings } from "./findings.ts";
import { attackFullWindow, attackSteppedClock, attackWithReplays } from "./replays.ts";
import { attackWithRequests } from "./requests.ts";
import { besiegeSender } from "./siege.ts";

const usage = `\
Usage: deno task attack [options]
Attacks the service and the sender over real sockets and counts what came of it: a
million forged requests, 100,000 replayed ones, 200,000 forged acks.

  --part P     a part of that, from 0.0001 to 1 (default 1)
  --seed N     of the random changes, default 1
  --help       this text

Exit: 0 nothing got through   1 something did, or it broke off   2 wrong arguments`;

interface Options {
  readonly part: number;
  readonly seed: number;
}

/** The parts of the attack by their names. The last one needs a link of its own. */
const attacks: Readonly<Record<string, (part: number, random: Random) => Promise<Findings>>> = {
  "forged requests": attackWithRequests,
  "replays, live, elsewhere, after a restart": attackWithReplays,
  "replays, window full": attackFullWindow,
  "replays, clock stepped": attackSteppedClock,
  "forged acks": attackWithAcks,
  "sender under siege": besiegeSender,
};

/** IPv4's counters of UDP since this network namespace began. */
async function countUdp() {
  const count = (name: string) => readNetworkCounter("Udp", name);
  return {
    sent: await count("OutDatagrams"),
    lost: await count("InErrors") + await count("NoPorts"),
  };
}

/**
 * All parts, each told at once; gives the number of faults. `alone`: in this network namespace, where
 * the kernel counts nobody else's datagrams.
 */
async function attack({ part, seed }: Options, alone: boolean): Promise<number> {
  // An address outside loopback for the attacker, which the namespace doesn't have by itself.
  if (alone) await ip(null, ["addr add 192.0.2.1/32 dev lo"]);
  let faults = 0;
  for (const [i, [name, begin]] of Object.entries(attacks).entries()) {
    if (begin === besiegeSender && !alone) continue;
    const before = alone ? await countUdp() : null;
    const findings = await begin(part, createRandom(seed + i));
    if (before !== null && findings.datagrams !== null) {
      const after = await countUdp();
      findings.expect("Datagrams by the kernel", after.sent - before.sent, findings.datagrams);
      findings.expect("Datagrams lost", after.lost - before.lost, 0);
    }
    faults += findings.faults.length;
    const lines = [
      `${name}: ${findings.faults.length === 0 ? "nothing got through" : "FAULTS"}`,
      ...findings.faults.map((fault) => `  FAULT ${fault}`),
      ...Object.entries(findings.figures).map(([what, figure]) =>
        `  ${String(figure).padStart(12)}  ${what}`
      ),
    ];
    console.log(lines.join("\n"));
  }
  return faults;
}

async function report(options: Options, alone: boolean): Promise<number> {
  const begin = performance.now();
  const faults = await attack(options, alone);
  const seconds = Math.round((performance.now() - begin) / 1_000);
  const counted = alone ? "; the kernel counted the same datagrams, and lost none" : "";
  console.log(faults === 0 ? `Nothing got through, ${seconds} s${counted}` : `${faults} faults`);
  return faults === 0 ? 0 : 1;
}

/** Reads the command line; throws an error in words when it makes no sense. */
function parse() {
  const flag = { type: "boolean", default: false } as const;
  const text = { type: "string", default: "1" } as const;
  const { values } = parseArgs({ options: { help: flag, inside: flag, part: text, seed: text } });
  const [part, seed] = [Number(values.part), Number(values.seed)];
  if (!(part >= 0.0001 && part <= 1)) throw new Error(`Part "${values.part}" is out of range`);
  if (!Number.isSafeInteger(seed)) throw new Error(`Seed "${values.seed}" is no whole number`);
  return { ...values, part, seed };
}

async function main(): Promise<number> {
  let options: ReturnType<typeof parse>;
  try {
    options = parse();
  } catch (error) {
    console.error(`${messageOf(error)}\n${usage}`);
    return 2;
  }
  if (options.help) {
    console.log(usage);
    return 0;
  }
  if (options.inside) return await report(options, true);
  const isolation = await findIsolation();
  if ("missing" in isolation) {
    console.error(`Attacking in this machine's own network: it has no ${isolation.missing}`);
    return await report(options, false);
  }
  const self = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests", import.meta.url];
  const [program, ...args] = [...isolation.argv, ...self, "--inside", ...Deno.args];
  const child = new Deno.Command(program, { args, stdin: "null" }).spawn();
  Deno.addSignalListener("SIGINT", () => child.kill("SIGKILL"));
  return (await child.status).code;
}

try {
  Deno.exit(await main());
} catch (error) {
  console.error(`Cannot attack to the end: ${messageOf(error)}`);
  Deno.exit(1);
}
