import { defaultPort } from "../../../lib/wire/datagram.ts";
import { run as runCommand } from "../../support/command.ts";
import { openMeasuredService } from "../peers.ts";
import { type Context, figure, type Row, rowOf, type Section } from "../section.ts";
import { deviations } from "../statistics.ts";

const copies = { count: 5, intervalMs: 40 } as const;
/** Longer than the hold-down period, after which a flush is acknowledged at the latest. */
const waitMs = 2_500;
const atOnce = 50;

/** How many of the trials are confirmed while the host loses so many of a thousand datagrams. */
async function confirmed(perMille: number, trials: number): Promise<number> {
  await using opened = await openMeasuredService("loss", ["HoldDownSeconds = 1"]);
  const { host, socket } = opened;
  const rules = [
    "add table inet loss",
    "add chain inet loss input { type filter hook input priority 0; }",
    `add rule inet loss input udp dport ${defaultPort} numgen random mod 1000 < ${perMille} drop`,
  ];
  // The first one comes through, so that nothing of the neighbor discovery is lost.
  await socket.request();
  await runCommand([...host.namespace.argv, "nft", rules.join("; ")]);
  let reached = 0;
  for (let done = 0; done < trials; done += atOnce) {
    const some = Array.from(
      { length: Math.min(atOnce, trials - done) },
      () => socket.request({}, waitMs, copies),
    );
    reached += (await Promise.all(some)).filter((ack) => ack !== null).length;
  }
  return reached;
}

async function run({ quick }: Context): Promise<Row[]> {
  const rows: Row[] = [];
  for (const perMille of quick ? [500] : [100, 330, 500]) {
    const trials = quick ? 100 : 300;
    const reached = await confirmed(perMille, trials);
    const theory = 1 - (perMille / 1_000) ** copies.count;
    const what = `${perMille / 10} % lost`;
    const peer = { what: `theory's ${(100 * theory).toFixed(1)}%`, values: [100 * theory] };
    const off = Math.abs(deviations(reached, trials, theory));
    rows.push(
      rowOf({ what: `${what}: reached`, values: [100 * reached / trials] }, "%", peer),
      // Once in a million runs it is further off by chance.
      figure(`${what}: standard deviations`, off, "", { promise: { max: 5 } }),
    );
  }
  return rows;
}

export const loss: Section = {
  title: "Loss",
  about: "Hosts that at least one of five copies reaches while nftables drops requests at random.",
  needs: ["nft"],
  run,
};
