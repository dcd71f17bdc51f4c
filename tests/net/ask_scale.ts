/** Many addresses of hosts that run no service, asked as fast as it goes, again and again. */
import {
  type AskedNetwork,
  type Kind,
  macs,
  openAskedNetwork,
  virtualAddresses,
} from "./asked_hosts.ts";
import { linkLayerAddressOf } from "../support/namespaces.ts";

/** Hosts of a kind: how many addresses, how many of them each host has, and what is to be said. */
type Crowd = readonly (readonly [kind: Kind, addresses: number, each: number, verdict: string])[];

const thousand: Crowd = [
  ["plain", 894, 50, "healed"],
  ["permanent entry", 20, 10, "stuck"],
  ["off", 80, 40, "no answer"],
];
const [ipv4, ipv6] = virtualAddresses;

/** Hosts of all kinds on a /24, and a crowd on a /22; `goalMs` is for who answers at all. */
export const crowds: Readonly<
  Record<string, { readonly crowd: Crowd; readonly address: string; readonly goalMs: number }>
> = {
  "251 IPv4": {
    crowd: [
      ["plain", 80, 8, "healed"],
      ["GARP dropped", 50, 8, "healed"],
      ["drop_gratuitous_arp", 40, 8, "healed"],
      ["echo firewalled", 21, 8, "healed"],
      ["all inbound firewalled", 10, 5, "asked"],
      ["permanent entry", 10, 5, "stuck"],
      ["drops the router's ARP", 20, 10, "no answer"],
      ["off", 20, 10, "no answer"],
    ],
    address: ipv4,
    goalMs: 400,
  },
  "994 IPv4": { crowd: thousand, address: ipv4, goalMs: 1_000 },
  "251 IPv6": {
    crowd: [
      ["plain", 201, 8, "healed"],
      ["permanent entry", 30, 10, "stuck"],
      ["off", 20, 10, "no answer"],
    ],
    address: ipv6,
    goalMs: 400,
  },
  "994 IPv6": { crowd: thousand, address: ipv6, goalMs: 1_000 },
};

/** One run of the sender. */
interface ScaleRun {
  /** What isn't as it should be: verdicts, and hosts whose own kernel has it otherwise. */
  readonly wrong: readonly string[];
  /** From the start of asking to the last address that was healed, and to the last that answered. */
  readonly healedMs: number;
  readonly judgedMs: number;
  /** Of the whole program. */
  readonly elapsedMs: number;
  /** What the peer says, of the same hosts. */
  readonly peerMs: number;
}

/** Asks a crowd so many times, each behind a peer, if there is one. */
export async function askCrowd(
  what: string,
  runs: number,
  peer?: (network: AskedNetwork, address: string, hosts: readonly string[]) => Promise<number>,
): Promise<ScaleRun[]> {
  const { crowd, address } = crowds[what];
  await using network = await openAskedNetwork(
    crowd.flatMap(([kind, addresses, each]) =>
      Array.from(
        { length: Math.ceil(addresses / each) },
        (_, i) => [kind, Math.min(each, addresses - i * each)] as const,
      )
    ),
  );
  const family = address === ipv4 ? "ipv4" : "ipv6";
  const hosts = network.hosts.flatMap((host) => host[family]);
  const ended: ScaleRun[] = [];
  for (let i = 0; i < runs; i++) {
    await network.goStale();
    const peerMs = await peer?.(network, address, hosts) ?? 0;
    if (peer !== undefined) await network.goStale();
    const start = performance.now();
    const options = ["--json", "--pace", "100000", "--sweep", "-A", address];
    const { stdout, stderr } = await network.ask([...options, ...family === "ipv6" ? hosts : []]);
    const elapsedMs = performance.now() - start;
    if (!stdout.startsWith("{")) throw new Error(stdout + stderr);
    const { asked }: { asked: readonly { host: string; verdict: string; ms: number }[] } = JSON
      .parse(stdout);
    const last = (verdicts: readonly string[]) =>
      Math.max(0, ...asked.filter((one) => verdicts.includes(one.verdict)).map(({ ms }) => ms));
    const wrong = await faultsOf(what, network, new Map(asked.map((one) => [one.host, one])));
    const judgedMs = last(["healed", "ok", "asked", "stuck"]);
    ended.push({ wrong, healedMs: last(["healed", "ok"]), judgedMs, elapsedMs, peerMs });
  }
  return ended;
}

async function faultsOf(
  what: string,
  network: AskedNetwork,
  asked: ReadonlyMap<string, { readonly verdict: string }>,
): Promise<string[]> {
  const { crowd, address } = crowds[what];
  const expected = new Map(crowd.map(([kind, , , verdict]) => [kind, verdict]));
  const faults: string[] = [];
  for (const host of network.hosts) {
    const verdicts = host[address === ipv4 ? "ipv4" : "ipv6"]
      .map((one) => asked.get(one)?.verdict ?? "none");
    const isRight = await linkLayerAddressOf(host.namespace, address) === macs.router;
    const isSaidRight = verdicts.every((one) => ["healed", "ok", "asked"].includes(one));
    // A request for one address of a host heals it for its others before those are asked.
    const isExpected = verdicts.every((one) =>
      (one === "ok" ? "healed" : one) === expected.get(host.kind)
    );
    if (isRight !== isSaidRight || !isExpected) faults.push(`${host.kind}: ${verdicts}`);
  }
  return faults;
}
