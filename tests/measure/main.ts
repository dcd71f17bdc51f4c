/**
 * `deno task bench [--repetitions N] [NAME …]`: figures as ratios to peers measured in the same run,
 * as Markdown on stdout.
 */
import { benchFailover } from "./failover.ts";
import { benchFlush } from "./flush.ts";
import { benchIdle } from "./idle.ts";
import { benchLatency } from "./latency.ts";
import { compilePeers, type Peers } from "./peers.ts";
import { benchReceivePath } from "./receive_path.ts";
import { type Section, sectionText } from "./section.ts";
import { benchStart } from "./start.ts";

type Bench = (peers: Peers, repetitions: number) => Promise<Section>;

/** Each bench by its name on the command line. */
const benches: Readonly<Record<string, Bench>> = {
  start: (_, repetitions) => benchStart(repetitions),
  idle: (_, repetitions) => benchIdle(repetitions),
  "receive-path": benchReceivePath,
  latency: benchLatency,
  flush: (_, repetitions) => benchFlush(repetitions),
  failover: () => benchFailover(),
};

const names = Object.keys(benches);
const usage = `Usage: deno task bench [--repetitions N] [${names.join("|")} …]`;

interface Wish {
  readonly names: readonly string[];
  readonly repetitions: number;
}

/** Reads the command line; the text of what is wrong with it otherwise. */
function parse(args: readonly string[]): Wish | string {
  const wished: string[] = [];
  let repetitions = 15;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (arg === "--repetitions") {
      repetitions = Number(args[++i]);
      if (!Number.isInteger(repetitions) || repetitions < 1 || repetitions > 1000) {
        return `Option --repetitions must be a whole number from 1 to 1000, not "${args[i] ?? ""}"`;
      }
    } else if (names.includes(arg)) wished.push(arg);
    else return `No bench "${arg}"`;
  }
  return { names: wished.length > 0 ? wished : names, repetitions };
}

if (import.meta.main) {
  const wish = parse(Deno.args);
  if (typeof wish === "string") {
    console.error(`${wish}\n${usage}`);
    Deno.exit(2);
  }
  await using peers = await compilePeers();
  for (const name of wish.names) {
    console.log(sectionText(await benches[name](peers, wish.repetitions)));
  }
}
