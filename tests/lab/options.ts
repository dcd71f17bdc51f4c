/** The lab's command line. */
import { parseArgs } from "node:util";
import { messageOf } from "../../lib/errors.ts";
import { stuckLeastMs } from "./verdict.ts";

/** What a call of the lab asks for. */
export interface LabOptions {
  readonly runs: number;
  /** How long each run is watched from its first failure. */
  readonly windowSeconds: number;
  /** File for the picture; empty: none. */
  readonly svg: string;
  /** File for the figures; empty: none. */
  readonly json: string;
  /** Make dist/arpflush anew first. */
  readonly pack: boolean;
}

const windowLeast = stuckLeastMs / 1000 + 1;

export const usage = `Usage: deno task lab [options]        (Linux, root, keepalived, nft)

Two routers with real keepalived and one virtual address, and hosts side by side
that probe it every 10 ms. The master's link is cut; later, within the service's
hold-down period, the new master's. Prints a timeline, each host's outages and
the ratio of a host healed by ArpFlush to one that accepts gratuitous ARP. All
of it is in namespaces without a name: nothing is left behind. The host with
Windows' service needs Wine (tests/windows/wine/setup.sh); without, it is left out.

  --runs N          that many runs, and medians (default 1)
  --window SECONDS  watch each run for that long, ${windowLeast} to 120 (default 20)
  --svg FILE        draw the run with the median ratio
  --json FILE       write every figure
  --no-pack         use dist/arpflush as it is (default: make it anew)
  --help            this text

Exit: 0 every host did what it must: healed twice, or stayed stuck without
ArpFlush; 1 one did not, or the lab could not run; 2 usage.`;

/** The options of a command line, "help", or what is wrong with it in one line. */
export function parseLabOptions(args: readonly string[]): LabOptions | "help" | string {
  let values;
  try {
    values = parseArgs({
      args: [...args],
      options: {
        runs: { type: "string", default: "1" },
        window: { type: "string", default: "20" },
        svg: { type: "string", default: "" },
        json: { type: "string", default: "" },
        "no-pack": { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    return `${messageOf(error)}: see --help`;
  }
  if (values.help) return "help";
  const [runs, windowSeconds] = [Number(values.runs), Number(values.window)];
  if (!Number.isInteger(runs) || runs < 1 || runs > 100) {
    return `Cannot do ${values.runs} runs: 1 to 100`;
  }
  if (!(windowSeconds >= windowLeast && windowSeconds <= 120)) {
    return `Cannot watch for ${values.window} s: ${windowLeast} to 120`;
  }
  return { runs, windowSeconds, svg: values.svg, json: values.json, pack: !values["no-pack"] };
}
