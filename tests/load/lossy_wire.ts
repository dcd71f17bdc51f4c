/** Loss on a real wire: the sender's exchange over a veth whose other end drops at random. */
import { openDatagramPort } from "../../lib/sender/datagram_port.ts";
import { exchange } from "../../lib/sender/exchange.ts";
import { Ownership, parseHost } from "../../lib/sender/targets.ts";
import { systemTime } from "../../lib/time.ts";
import { defaultPort } from "../../lib/wire/datagram.ts";
import { parseKeyFile } from "../../lib/wire/keys.ts";
import { openSegment } from "../net/chain.ts";
import { CommandError, run } from "../support/command.ts";
import type { NetworkNamespace } from "../support/namespaces.ts";
import { keyFile } from "./faulty_host.ts";

/** How it went. */
export interface WireResult {
  /** What drops: netem where the kernel has it, else nftables. */
  readonly by: "netem" | "nftables";
  readonly trials: number;
  /** Trials in which the host confirmed. */
  readonly reached: number;
}

const schedule = { count: 5, intervalMs: 40 } as const;
/** Longer than the hold-down period, after which a flush is acknowledged at the latest. */
const waitMs = 2_500;
const atOnce = 50;

/** Drops what comes to the service, at random, so many of a thousand. */
async function drop(namespace: NetworkNamespace, perMille: number): Promise<WireResult["by"]> {
  try {
    await run(["tc", "qdisc", "add", "dev", "p0", "root", "netem", "loss", `${perMille / 10}%`]);
    return "netem";
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
  }
  const rules = [
    "add table inet loss",
    "add chain inet loss input { type filter hook input priority 0; }",
    `add rule inet loss input udp dport ${defaultPort} numgen random mod 1000 < ${perMille} drop`,
  ];
  await run([...namespace.argv, "nft", rules.join("; ")]);
  return "nftables";
}

/** Runs the trials, 50 at once, each a request of its own. Needs the namespace of the tier. */
export async function loseOnWire(perMille: number, trials: number): Promise<WireResult> {
  await using segment = await openSegment();
  const host = await segment.host();
  await host.serve(["HoldDownSeconds = 1"]);
  const key = parseKeyFile(await Deno.readTextFile(keyFile)).signing;
  // The neighbor is known before anything is lost.
  await run(["ping", "-c", "1", "-W", "2", "192.0.2.100"]);
  const by = await drop(host.namespace, perMille);
  const request = {
    action: "flush all",
    acknowledge: true,
    report: false,
    ackSpreadMs: 0,
    sender: "loss",
    addresses: [],
  } as const;
  const plan = {
    content: { kind: "signed", key, requests: [request] },
    targets: [parseHost("192.0.2.100")],
    udpPort: defaultPort,
    schedule,
    waitMs,
    expectation: { kind: "count", count: 1 },
    ownership: new Ownership([], false),
  } as const;
  let reached = 0;
  for (let done = 0; done < trials; done += atOnce) {
    const some = Math.min(atOnce, trials - done);
    const records = await Promise.all(
      Array.from({ length: some }, () => exchange(plan, openDatagramPort, systemTime)),
    );
    reached += records.filter(({ hosts }) => hosts.size === 1).length;
  }
  return { by, trials, reached };
}
