/**
 * `deno task attack`: forged requests, replays and forged acks against the real service and sender.
 * On Linux it moves into a network namespace of its own, if it may, where the kernel's count of
 * datagrams must be the attack's.
 */
import { messageOf } from "../../lib/errors.ts";
import { findIsolation } from "../support/namespaces.ts";
import { attack } from "./attack.ts";
import { addOutsideAddress, compareCounts, countUdp } from "./kernel_count.ts";
import { type AttackOptions, parseOptions, usage } from "./options.ts";
import { createFindings, type PartOutcome } from "./outcome.ts";

/** Says that the process is in the namespace made for it. */
const insideFlag = "--inside";

async function moveInside(argv: readonly string[], args: readonly string[]): Promise<number> {
  const self = [
    Deno.execPath(),
    "run",
    "-q",
    "--no-prompt",
    "-P=tests",
    import.meta.filename ?? "",
  ];
  const [program, ...rest] = [...argv, ...self, ...args, insideFlag];
  const child = new Deno.Command(program, { args: rest, stdin: "null" }).spawn();
  const onSignal = () => child.kill("SIGKILL");
  Deno.addSignalListener("SIGINT", onSignal);
  try {
    return (await child.status).code;
  } finally {
    Deno.removeSignalListener("SIGINT", onSignal);
  }
}

async function run(options: AttackOptions, alone: boolean): Promise<number> {
  const begin = performance.now();
  if (alone) await addOutsideAddress();
  const outcomes: PartOutcome[] = [];
  let before = alone ? await countUdp() : null;
  await attack(options, async (outcome) => {
    const findings = createFindings();
    if (before !== null) {
      const after = await countUdp();
      compareCounts(before, after, outcome.datagrams, findings);
      before = after;
    }
    const whole = { ...outcome, faults: [...outcome.faults, ...findings.faults] };
    outcomes.push(whole);
    if (!options.json) console.log(textOf(whole));
  });
  const faults = outcomes.reduce((sum, outcome) => sum + outcome.faults.length, 0);
  const seconds = Math.round((performance.now() - begin) / 1_000);
  if (options.json) {
    const { seed } = options;
    const date = new Date().toISOString();
    const versions = { deno: Deno.version.deno, os: `${Deno.build.os} ${Deno.osRelease()}` };
    const document = { date, ...versions, seed, seconds, alone, faults, parts: outcomes };
    console.log(JSON.stringify(document, null, 2));
  } else {
    const counted = alone ? "; the kernel counted the same datagrams, and lost none" : "";
    console.log(
      faults === 0
        ? `Nothing got through, ${seconds} s${counted}`
        : `${faults} faults, ${seconds} s`,
    );
  }
  return faults === 0 ? 0 : 1;
}

function textOf({ part, sent, datagrams, figures, faults }: PartOutcome): string {
  const rows = Object.entries({ sent, "datagrams in all": datagrams, ...figures });
  return [
    `${part}: ${faults.length === 0 ? "nothing got through" : "FAULTS"}`,
    ...faults.map((fault) => `  FAULT ${fault}`),
    ...rows.map(([name, count]) => `  ${String(count).padStart(12)}  ${name}`),
  ].join("\n");
}

async function main(args: readonly string[]): Promise<number> {
  let options: AttackOptions | null;
  const inside = args.includes(insideFlag);
  try {
    options = parseOptions(args.filter((text) => text !== insideFlag));
  } catch (error) {
    console.error(`${messageOf(error)}\n${usage}`);
    return 2;
  }
  if (options === null) {
    console.log(usage);
    return 0;
  }
  if (inside || options.here) return await run(options, inside);
  const isolation = await findIsolation();
  if ("argv" in isolation) return await moveInside(isolation.argv, args);
  console.error(`Attacking in this machine's own network: it has no ${isolation.missing}`);
  return await run(options, false);
}

Deno.exit(await main(Deno.args));
