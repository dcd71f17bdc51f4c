/**
 * Many addresses of hosts that run no service, asked as fast as it goes, again and again: run in
 * namespaces of its own by ask_test.ts. Prints a `ScaleRun[]` as JSON.
 */
import { type Kind, macs, openAskedNetwork, virtualAddresses } from "../net/asked_hosts.ts";

/** One run of the sender. */
export interface ScaleRun {
  /** How many addresses of hosts of each kind got which verdict: `plain: healed` */
  readonly verdicts: Readonly<Record<string, number>>;
  /** Hosts whose own kernel disagrees with the verdict on one of their addresses. */
  readonly wrong: readonly string[];
  /** From the start of asking to the last address that was healed, and to the last that was stuck. */
  readonly healedMs: number;
  readonly stuckMs: number;
  /** Of the whole program. */
  readonly elapsedMs: number;
}

/** Hosts of a kind: how many addresses, and how many of them each host has. */
export type Crowd = readonly (readonly [kind: Kind, addresses: number, each: number])[];

async function play(crowd: Crowd, runs: number, address: string): Promise<ScaleRun[]> {
  await using network = await openAskedNetwork(
    crowd.flatMap(([kind, addresses, each]) =>
      Array.from(
        { length: Math.ceil(addresses / each) },
        (_, i) => [kind, Math.min(each, addresses - i * each)] as const,
      )
    ),
  );
  const family = address === virtualAddresses[0] ? "ipv4" : "ipv6";
  const named = family === "ipv6" ? network.hosts.flatMap(({ ipv6 }) => ipv6) : [];
  const ended: ScaleRun[] = [];
  for (let i = 0; i < runs; i++) {
    await network.goStale();
    const start = performance.now();
    const options = ["--json", "--pace", "100000", "--sweep", "-A", address, ...named];
    const { stdout, stderr } = await network.ask(options);
    const elapsedMs = performance.now() - start;
    if (!stdout.startsWith("{")) throw new Error(stdout + stderr);
    const { asked }: { asked: readonly { host: string; verdict: string; ms: number }[] } = JSON
      .parse(stdout);
    const byHost = new Map(asked.map((one) => [one.host, one]));
    const counts: Record<string, number> = {};
    const wrong: string[] = [];
    for (const host of network.hosts) {
      const verdicts = host[family].map((one) => byHost.get(one)?.verdict ?? "none");
      for (const one of verdicts) {
        counts[`${host.kind}: ${one}`] = (counts[`${host.kind}: ${one}`] ?? 0) + 1;
      }
      const isRight = await host.entryOf(address) === macs.router;
      const isSaidRight = verdicts.every((one) => ["healed", "ok", "asked"].includes(one));
      if (isRight !== isSaidRight) wrong.push(`${host.kind}: ${verdicts}`);
    }
    const last = (verdict: string) =>
      Math.max(0, ...asked.filter((one) => one.verdict === verdict).map(({ ms }) => ms));
    const times = { healedMs: last("healed"), stuckMs: last("stuck"), elapsedMs };
    ended.push({ verdicts: counts, wrong, ...times });
  }
  return ended;
}

if (import.meta.main) {
  const { crowd, runs, address } = JSON.parse(Deno.args[0]);
  const bytes = new TextEncoder().encode(JSON.stringify(await play(crowd, runs, address)));
  for (let written = 0; written < bytes.length;) {
    written += Deno.stdout.writeSync(bytes.subarray(written));
  }
  Deno.exit(0);
}
