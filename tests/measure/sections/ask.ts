import {
  arpRequest,
  broadcastMac,
  echoRequest,
  neighborSolicitation,
  solicitedNode,
} from "../../../lib/ask/frames.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import { askCrowd, crowds } from "../../net/ask_scale.ts";
import { type AskedNetwork, macs } from "../../net/asked_hosts.ts";
import { run as runCommand } from "../../support/command.ts";
import { datagramFile } from "../requests.ts";
import { type Context, figure, type Row, rowOf, type Section } from "../section.ts";

const sourceMac = macs.router.replaceAll(":", "");

/** What peers/resolve.c reads of a host: the request for it and a ping, or a solicitation alone. */
function framesFor(host: string, address: string): Uint8Array[] {
  const [from, to] = [parsePrefix(address), parsePrefix(host)];
  if (from.family === 6) {
    const way = { sourceMac, from, ...solicitedNode(to) };
    return [neighborSolicitation(way, to), new Uint8Array()];
  }
  const way = { sourceMac, destinationMac: broadcastMac, from, to };
  return [arpRequest(way), echoRequest(way, { id: 1, sequence: 1, data: "" })];
}

async function run({ folder, quick, progress }: Context): Promise<Row[]> {
  const resolve = async ({ router }: AskedNetwork, address: string, hosts: readonly string[]) => {
    const input = datagramFile(hosts.flatMap((host) => framesFor(host, address)));
    const [answers, ms] = (await runCommand([...router.argv, `${folder}/resolve`, "e0"], { input }))
      .split(" ").map(Number);
    if (!(answers > hosts.length / 2)) throw new Error(`Only ${answers} hosts answered a C loop`);
    return ms;
  };
  const rows: Row[] = [];
  let faults = 0;
  for (const what of quick ? ["251 IPv4"] : Object.keys(crowds)) {
    const runs = await askCrowd(what, quick ? 1 : 7, resolve);
    progress(`${what}: ${JSON.stringify(runs)}`);
    faults += runs.reduce((sum, { wrong }) => sum + wrong.length, 0);
    const samples = (name: string, of: (run: typeof runs[number]) => number) => ({
      what: `${what}, ${name}`,
      values: runs.map(of),
    });
    const peer = samples("C loop", ({ peerMs }) => peerMs);
    const goal = { max: crowds[what].goalMs };
    rows.push(
      rowOf(peer, "ms"),
      rowOf(samples("last healed", ({ healedMs }) => healedMs), "ms", peer),
      rowOf(samples("last verdict", ({ judgedMs }) => judgedMs), "ms", undefined, { goal }),
      rowOf(samples("silent given up", ({ elapsedMs }) => elapsedMs), "ms"),
    );
  }
  const what = "verdicts that were not the host's own kernel's";
  return [...rows, figure(what, faults, "", { promise: { max: 0 } })];
}

export const ask: Section = {
  title: "Hosts that run no service are asked",
  about:
    "Namespaces on a bridge hold the addresses, one in six off, silent, firewalled or with a " +
    "permanent entry. `--ask --sweep --pace 100000`, 7 turns; the last verdict is " +
    "that on hosts that answer, silent ones are asked again a second later. The peer is a C program " +
    "that sends the same requests and judges nothing.",
  needs: ["cc", "nft"],
  run,
};
