import { outcomeOf } from "../../support/command.ts";
import { connect, ip, openNetworkNamespace } from "../../support/namespaces.ts";
import { manyHosts, senderLine, startReceiverProcess } from "../peers.ts";
import { sharedRouter } from "../requests.ts";
import { type Context, figure, inTurn, type Row, rowOf, type Section } from "../section.ts";

const port = 27_735;
const withinMs = 1_000;
const firstHost = "10.64.0.1";
const broadcast = "10.64.255.255";
/** Room for 32,767 hosts from the first one on. */
const hostsNetwork = "10.64.0.0/17";

/** Acks that came in time, in percent of the hosts, and ms from the only copy on. */
interface Heard {
  readonly percent: number;
  /** The run ended: all that came were verified. */
  readonly endMs: number;
  /** Acks that were not verified. */
  readonly unverified: number;
}

/** Sends one copy to so many hosts, all of which peers/hosts.ts stands in for. */
async function send(
  hosts: number,
  spread: string,
  key: string,
  packed: string | null,
): Promise<Heard> {
  const { stdout, stderr } = await outcomeOf(senderLine(packed, [
    ...["--key-file", key, "--json", "--no-verify", "--count", "1", "--wait", `${withinMs}ms`],
    ...["--expect", String(hosts), "--spread", spread, broadcast],
  ]));
  if (stdout === "") throw new Error(`Cannot send: ${stderr}`);
  const report: {
    readonly hosts: readonly { readonly ms: number }[];
    readonly elapsedMs: number;
    readonly unverified: number;
    readonly uncounted: Readonly<Record<string, number>>;
  } = JSON.parse(stdout);
  const times = report.hosts.map(({ ms }) => ms).filter((ms) => ms <= withinMs);
  return {
    percent: 100 * times.length / hosts,
    endMs: report.elapsedMs,
    unverified: Object.values(report.uncounted).reduce((a, b) => a + b, report.unverified),
  };
}

async function run({ folder, packed, quick }: Context): Promise<Row[]> {
  await using crowd = await openNetworkNamespace("crowd");
  await connect({ namespace: null, name: "c0", addresses: ["10.64.255.254/16"] }, {
    namespace: crowd,
    name: "c0",
    addresses: ["10.64.255.253/16"],
  });
  const rows: Row[] = [];
  let unverified = 0;
  try {
    await ip(crowd, [`route add local ${hostsNetwork} dev lo`]);
    const key = `${folder}/hosts-key`;
    await Deno.writeTextFile(key, `${sharedRouter.secretText}\n`, { mode: 0o600 });
    for (const hosts of quick ? [300] : [100, 1_000, 5_000]) {
      const program = manyHosts(crowd.argv);
      await using _hosts = await startReceiverProcess(program, port, hosts, firstHost, broadcast);
      const [spread, atOnce] = await inTurn(
        [{ what: "auto" }, { what: "0" }],
        { count: quick ? 1 : 9 },
        ({ what }) => send(hosts, what, key, packed),
      );
      const what = `${hosts.toLocaleString("en-US")} hosts`;
      const [ours, peer] = [spread, atOnce].map(({ values }) =>
        values.map(({ percent }) => percent)
      );
      const ends = spread.values.map(({ endMs }) => endMs);
      unverified = Math.max(unverified, ...spread.values.map((one) => one.unverified));
      rows.push(
        rowOf({ what: `${what}: heard within 1 s`, values: ours }, "%", {
          what: "--spread 0",
          values: peer,
        }),
        figure(`${what}: worst run`, Math.min(...ours), "%", {
          promise: { min: hosts <= 1_000 ? 99 : 50 },
        }),
        rowOf({ what: `${what}: all verified`, values: ends }, "ms"),
      );
    }
    return [...rows, figure("acks not verified", unverified, "", { promise: { max: 0 } })];
  } finally {
    await ip(null, ["link del c0"]);
  }
}

export const hosts: Section = {
  title: "Many hosts answer one broadcast",
  about:
    "One program stands in for all hosts, and signs on the machine that verifies; one copy, 9 " +
    "turns.",
  isPacked: true,
  run,
};
