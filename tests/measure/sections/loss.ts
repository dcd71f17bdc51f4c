import { datagramPortOpener, defaultSourcePorts } from "../../../lib/sender/datagram_port.ts";
import { exchange, type ExchangePlan } from "../../../lib/sender/exchange.ts";
import { parseHost } from "../../../lib/sender/targets.ts";
import { systemTime } from "../../../lib/time.ts";
import { defaultPort } from "../../../lib/wire/datagram.ts";
import { createSigner, verifySignature } from "../../../lib/wire/ed25519_web.ts";
import { createRouterKey, parseSecretKeyFile } from "../../../lib/wire/keys.ts";
import { keyFile, openSegment } from "../../net/chain.ts";
import { run as runCommand } from "../../support/command.ts";
import type { Context, Row, Section } from "../section.ts";
import { deviations } from "../statistics.ts";

const schedule = { count: 5, intervalMs: 40 } as const;
/** Longer than the hold-down period, after which a flush is acknowledged at the latest. */
const waitMs = 2_500;
const atOnce = 50;

/** How many of the trials are confirmed while the host loses so many of a thousand datagrams. */
async function confirmed(perMille: number, trials: number): Promise<number> {
  await using segment = await openSegment();
  const host = await segment.host();
  await host.serve(["HoldDownSeconds = 1"]);
  const signer = await createSigner(parseSecretKeyFile(await Deno.readTextFile(keyFile)));
  const crypt = { sign: signer.sign, verify: verifySignature };
  // So that nothing of the neighbor discovery is lost.
  await runCommand(["ping", "-c", "1", "-W", "2", "192.0.2.100"]);
  const rules = [
    "add table inet loss",
    "add chain inet loss input { type filter hook input priority 0; }",
    `add rule inet loss input udp dport ${defaultPort} numgen random mod 1000 < ${perMille} drop`,
  ];
  await runCommand([...host.namespace.argv, "nft", rules.join("; ")]);
  const fields = {
    action: "flush all",
    acknowledge: true,
    report: false,
    ackSpreadMs: 0,
    sender: "loss",
    addresses: [],
  } as const;
  const plan: ExchangePlan = {
    content: {
      kind: "signed",
      key: createRouterKey(signer.publicKey),
      requests: [{ fields, targets: [parseHost("192.0.2.100")], links: [0] }],
    },
    udpPort: defaultPort,
    schedule,
    waitMs,
    expected: { count: 1 },
    wasSentTo: () => true,
    isOwnAddress: () => false,
    compare: () => 0,
  };
  const openPort = datagramPortOpener(defaultSourcePorts);
  let reached = 0;
  for (let done = 0; done < trials; done += atOnce) {
    const some = Array.from(
      { length: Math.min(atOnce, trials - done) },
      () => exchange(plan, openPort, systemTime, crypt),
    );
    reached += (await Promise.all(some)).filter(({ hosts }) => hosts.all().length === 1).length;
  }
  return reached;
}

async function run({ quick }: Context): Promise<Row[]> {
  const rows: Row[] = [];
  for (const perMille of quick ? [500] : [100, 330, 500]) {
    const trials = quick ? 100 : 300;
    const reached = await confirmed(perMille, trials);
    const theory = 1 - (perMille / 1_000) ** schedule.count;
    const what = `${perMille / 10} % lost`;
    rows.push({
      what: `${what}: reached`,
      value: 100 * reached / trials,
      unit: "%",
      peer: `theory's ${(100 * theory).toFixed(1)}%`,
      ratio: reached / trials / theory,
    }, {
      what: `${what}: standard deviations`,
      value: Math.abs(deviations(reached, trials, theory)),
      unit: "",
      // Once in a million runs it is further off by chance.
      promise: { max: 5 },
    });
  }
  return rows;
}

export const loss: Section = {
  title: "Loss",
  about: "Hosts that at least one of five copies reaches while nftables drops requests at random.",
  needs: ["nft"],
  run,
};
