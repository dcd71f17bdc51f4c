import { createLinuxCache } from "../../../lib/neighbors/linux.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import { run as runCommand } from "../../support/command.ts";
import { connect, ip } from "../../support/namespaces.ts";
import { type Context, inTurn, type Row, rowOf, type Section } from "../section.ts";

/** Entries of the tables. */
const tableSizes = [10, 1_000, 16_000] as const;
/** Addresses that a listed flush names. */
const listed = ["10.9.0.1", "10.9.0.2", "10.9.0.3"];
const showAndFlush = "ip -json neigh show && ip neigh flush all";
const limits = { goal: { max: 1.3 } };

/**
 * Lines for `ip -batch` that fill the table of interface e0. Entries are made permanent first, which
 * the kernel doesn't count, and then stale: its limit of 1,024 can stay as it is.
 */
function fillingLines(entries: number): string[] {
  return ["permanent", "stale"].flatMap((state) =>
    Array.from({ length: entries }, (_, i) => {
      const address = `10.9.${(i + 1) >> 8}.${(i + 1) & 0xff}`;
      const mac = `02:00:00:00:${(i >> 8).toString(16)}:${(i & 0xff).toString(16)}`;
      return `neigh replace ${address} lladdr ${mac} nud ${state} dev e0`;
    })
  );
}

async function run({ quick }: Context): Promise<Row[]> {
  const end = { namespace: null, addresses: [] };
  await connect({ ...end, name: "e0", addresses: ["10.9.255.254/16"] }, { ...end, name: "e1" });
  const cache = createLinuxCache();
  const prefixes = listed.map(parsePrefix);
  const linesForListed = listed.map((address) => `neigh flush to ${address}`);
  const rows: Row[] = [];
  for (const entries of quick ? tableSizes.slice(0, 2) : tableSizes) {
    const filling = fillingLines(entries);
    const whole = `${entries.toLocaleString("en-US")} entries, all`;
    const ways: readonly { what: string; work: () => Promise<unknown> }[] = [
      { what: whole, work: () => cache.flush("all") },
      { what: "ip neigh flush", work: () => runCommand(["ip", "neigh", "flush", "all"]) },
      { what: "show and flush", work: () => runCommand(["sh", "-c", showAndFlush]) },
      { what: whole.replace("all", `${listed.length} listed`), work: () => cache.flush(prefixes) },
      { what: "ip neigh flush", work: () => ip(null, linesForListed) },
    ];
    const rounds = { warmUp: 1, count: quick ? 1 : 21 };
    const [all, peer, reading, some, peerOfSome] = await inTurn(ways, rounds, async ({ work }) => {
      await ip(null, filling);
      const start = performance.now();
      await work();
      return performance.now() - start;
    });
    rows.push(
      rowOf(all, "ms", peer, limits),
      rowOf({ ...all, what: `${whole}: again` }, "ms", reading, limits),
      rowOf(some, "ms", peerOfSome, limits),
    );
  }
  await ip(null, ["link del e0"]);
  return rows;
}

export const flush: Section = {
  title: "Flush of a table",
  about:
    "The kernel's table, filled anew each time, 21 turns. ArpFlush has `ip` print it before: a " +
    "host must know which addresses it forgot.",
  run,
};
