/** Many hosts answer one broadcast: how many of the acks reach the sender within a second. */
import { programs, startFlags } from "../../packaging/programs.ts";
import { type Peers, startReceiverProcess } from "../measure/peers.ts";
import { benchSecret } from "../measure/secrets.ts";
import { outcomeOf, run } from "../support/command.ts";
import { connect, ip, openNetworkNamespace } from "../support/namespaces.ts";
import { programLine } from "../support/programs.ts";

/** One run of the sender. */
export interface Answered {
  readonly hosts: number;
  /** Acks that were counted within a second after the only copy. */
  readonly withinSecond: number;
  /** ms from the copy to the last of them. */
  readonly lastMs: number;
}

const port = 27_735;
const withinMs = 1_000;
const firstHost = "10.64.0.1";
/** From firstHost on, up to 32,767 hosts. */
const hostsNetwork = "10.64.0.0/17";

/** The sender's command line, with V8's switches as routers have them. */
function senderLine(args: readonly string[]): string[] {
  const [deno, run, ...rest] = programLine("sender", args);
  const [sender] = programs;
  return [deno, run, ...startFlags(sender, []), ...rest];
}

interface JsonReport {
  readonly hosts: readonly { readonly ms: number }[];
}

/**
 * Runs the sender with one copy against so many hosts, in the namespace that this process is in. One
 * C program stands in for all of them: it answers faster than real ones could. `spread` is the
 * option's value.
 */
export async function answerBroadcast(
  peers: Peers,
  hosts: number,
  spread: string,
  repetitions: number,
): Promise<Answered[]> {
  const program = peers.program("hosts");
  if (program === null) throw new Error("Cannot stand in for many hosts: no C compiler");
  await using crowd = await openNetworkNamespace("crowd");
  await connect({ namespace: null, name: "c0", addresses: ["10.64.255.254/16"] }, {
    namespace: crowd,
    name: "c0",
    addresses: ["10.64.255.253/16"],
  });
  await ip(crowd, [`route add local ${hostsNetwork} dev lo`]);
  const folder = await Deno.makeTempDir({ dir: "/run" });
  try {
    const key = `${folder}/key`;
    await Deno.writeTextFile(key, `${benchSecret.toBase64()}\n`, { mode: 0o600 });
    const line = [...crowd.argv, program];
    const results: Answered[] = [];
    await using _hosts = await startReceiverProcess(
      { name: "hosts", line },
      port,
      hosts,
      firstHost,
    );
    for (let i = 0; i < repetitions; i++) {
      const { stdout, stderr } = await outcomeOf(senderLine([
        ...["--key-file", key, "--json", "--no-verify", "--count", "1", "--wait", `${withinMs}ms`],
        ...["--expect", String(hosts), "--spread", spread, "10.64.255.255"],
      ]));
      if (stdout === "") throw new Error(`Cannot send: ${stderr}`);
      const report: JsonReport = JSON.parse(stdout);
      const times = report.hosts.map(({ ms }) => ms).filter((ms) => ms <= withinMs);
      results.push({ hosts, withinSecond: times.length, lastMs: Math.max(0, ...times) });
    }
    return results;
  } finally {
    await run(["ip", "link", "del", "c0"]);
    await Deno.remove(folder, { recursive: true });
  }
}
