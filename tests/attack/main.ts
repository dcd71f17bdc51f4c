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
import { fullAttack } from "./classes.ts";
import { createRandom, type Random } from "./datagrams.ts";
import { type ClassOutcome, Findings, type PartOutcome } from "./outcome.ts";
import { attackFullWindow, attackSteppedClock, attackWithReplays } from "./replays.ts";
import { attackWithRequests } from "./requests.ts";
import { besiegeSender } from "./siege.ts";

const usage = `\
Usage: deno task attack [options]
Attacks the service and the sender over real sockets and counts what came of it.

  --forged N   forged requests, default ${fullAttack.requests}
  --replays N  replayed requests, default 100000
  --acks N     forged acks, default ${fullAttack.acks}
  --seed N     of the random changes, default 1
  --help       this text

Exit: 0 nothing got through   1 something did   2 wrong arguments`;

function readOptions() {
  const number = (standard: number) => ({ type: "string", default: String(standard) }) as const;
  const flag = { type: "boolean", default: false } as const;
  const { values } = parseArgs({
    options: {
      ...{ help: flag, inside: flag, seed: number(1) },
      ...{ forged: number(fullAttack.requests), acks: number(fullAttack.acks) },
      replays: number(100_000),
    },
  });
  const { forged, replays, acks, seed } = values;
  for (const text of [forged, replays, acks, seed]) {
    if (!/^[1-9]\d{0,8}$/.test(text)) throw new Error(`"${text}" is no whole number from 1 on`);
  }
  const numbers = { forged: Number(forged), replays: Number(replays), acks: Number(acks) };
  return { ...values, ...numbers, seed: Number(seed) };
}

type Options = ReturnType<typeof readOptions>;

/** IPv4's counters of UDP since this network namespace began. */
async function countUdp() {
  const count = (name: string) => readNetworkCounter("Udp", name);
  return {
    sent: await count("OutDatagrams"),
    lost: await count("InErrors") + await count("NoPorts"),
  };
}

/** All parts, each told at once; gives the number of faults. `alone`: in this network namespace, where the kernel counts nobody else's datagrams. */
async function attack(
  { forged, replays, acks, seed }: Options,
  alone: boolean,
): Promise<number> {
  // An address outside loopback for the attacker, which the namespace doesn't have by itself.
  if (alone) await ip(null, ["addr add 192.0.2.1/32 dev lo"]);
  const parts: readonly ((random: Random) => Promise<PartOutcome>)[] = [
    (random) => attackWithRequests(forged, random),
    (random) => attackWithReplays(Math.ceil(replays * 0.65), random),
    (random) => attackFullWindow(Math.ceil(replays * 0.2), random),
    (random) => attackSteppedClock(Math.ceil(replays * 0.15), random),
    (random) => attackWithAcks(acks, random),
    // It needs a link of its own, on which it is everybody else.
    ...alone ? [(random: Random) => besiegeSender(acks >= fullAttack.acks, random)] : [],
  ];
  let faults = 0;
  for (const [i, part] of parts.entries()) {
    const before = alone ? await countUdp() : null;
    const outcome = await part(createRandom(seed + i));
    const kernel = new Findings();
    if (before !== null && outcome.datagrams !== null) {
      const after = await countUdp();
      kernel.expect("Datagrams by the kernel", after.sent - before.sent, outcome.datagrams);
      kernel.expect("Datagrams lost", after.lost - before.lost, 0);
    }
    const whole = { ...outcome, faults: [...outcome.faults, ...kernel.faults] };
    faults += whole.faults.length;
    console.log(textOf(whole));
  }
  return faults;
}

function textOf({ part, sent, datagrams, classes, figures, faults }: PartOutcome): string {
  const all = datagrams === null ? {} : { "datagrams in all": datagrams };
  const rows = Object.entries({ sent, ...all, ...figures });
  return [
    `${part}: ${faults.length === 0 ? "nothing got through" : "FAULTS"}`,
    ...faults.map((fault) => `  FAULT ${fault}`),
    ...rows.map(([name, count]) => `  ${String(count).padStart(12)}  ${name}`),
    ...classes === undefined ? [] : classLines(classes),
  ].join("\n");
}

/** A table of the classes: how many were tried, what was accepted, and bytes that were answered. */
function classLines(classes: readonly ClassOutcome[]): string[] {
  const cells = classes.map(({ name, tried, accepted, answered }) =>
    [name, tried, accepted, answered].map(String)
  );
  const rows = [["class", "tried", "accepted", "bytes answered"], ...cells];
  const widths = [0, 1, 2, 3].map((i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map(([name, ...numbers]) =>
    ["", name.padEnd(widths[0]), ...numbers.map((text, i) => text.padStart(widths[i + 1]))]
      .join("  ")
  );
}

async function report(options: Options, alone: boolean): Promise<number> {
  const begin = performance.now();
  const faults = await attack(options, alone);
  const seconds = Math.round((performance.now() - begin) / 1_000);
  const counted = alone ? "; the kernel counted the same datagrams, and lost none" : "";
  console.log(faults === 0 ? `Nothing got through, ${seconds} s${counted}` : `${faults} faults`);
  return faults === 0 ? 0 : 1;
}

async function main(): Promise<number> {
  const options = readOptions();
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
  console.error(`Cannot attack: ${messageOf(error)}\n${usage}`);
  Deno.exit(2);
}
