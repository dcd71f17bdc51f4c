import { decodeAck } from "../../../lib/wire/ack.ts";
import { openSegment } from "../../net/chain.ts";
import { keyFile, openFaultyHost } from "../../net/faulty_host.ts";
import { type CommandLine, outcomeOf, run as runCommand } from "../../support/command.ts";
import { sentRequest, type TestRouter } from "../../support/datagrams.ts";
import { droppedDatagrams, readProcessState } from "../../support/linux.ts";
import { ip } from "../../support/namespaces.ts";
import { cReceiver, denoReceiver, startReceiverProcess } from "../peers.ts";
import {
  datagramFile,
  forged,
  insidersRequest,
  junk,
  openRequestSocket,
  sharedRouter,
} from "../requests.ts";
import { type Context, figure, inTurn, type Row, rowOf, type Section } from "../section.ts";
import { formatNumber, median } from "../statistics.ts";

interface Flood {
  /** An insider's requests have a right filter, so that their signature is verified. */
  readonly kind: "wrong filter" | "junk" | "wrong signatures";
  readonly perSecond: number;
}

const host = "192.0.2.100";
const port = 27_735;
const router = "192.0.2.2";
const flooder = "192.0.2.66";
const rulesFile = `${import.meta.dirname}/../../../packaging/arpflush.nft`;
/** One copy goes out in each slot of the flood. */
const slotMs = 20;
/** The hold-down period is 1 s: a flush is acknowledged after that at the latest. */
const patienceMs = 3_000;
const settleMs = 1_500;
/** What a small virtual machine may give to the service. */
const maxMebibytes = 128;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Datagrams of a flood at a host that obeys the router. */
function floodOf({ kind }: Flood, router: TestRouter): Uint8Array[] {
  const make = (i: number) => {
    if (kind === "junk") return junk(1 + i * 5);
    return kind === "wrong filter" ? forged(insidersRequest(router)) : insidersRequest(router);
  };
  return Array.from({ length: 256 }, (_, i) => make(i));
}

/** The part of the requests, in percent, that a genuine ack among the answers calls flushed. */
function flushedPercent(
  requests: readonly Uint8Array[],
  answers: readonly Uint8Array[],
  router: TestRouter,
): number {
  const flushed = requests.filter((request) => {
    const sent = sentRequest(request, router);
    return answers.some((answer) => {
      const decoded = decodeAck(answer, sent);
      return typeof decoded !== "string" && decoded.ack.status === "flushed";
    });
  });
  return 100 * flushed.length / requests.length;
}

/** Runs peers/flood.c: how many datagrams the system took, and the answers to those sent once. */
async function runFlood(line: CommandLine, flood: Uint8Array[], once: readonly Uint8Array[] = []) {
  const file = datagramFile([...flood, new Uint8Array(), ...once]);
  const answers = (await outcomeOf(line, { input: file })).stdout.trim().split("\n");
  const [sent] = answers.splice(-1)[0].split(" ").map(Number);
  if (!(sent > 0)) throw new Error(`Cannot flood by "${line.join(" ")}"`);
  return { sent, answers: answers.map((answer) => Uint8Array.fromHex(answer)) };
}

/** Floods a service, with genuine requests in the midst of it. */
async function floodService(
  flood: Flood,
  guarded: boolean,
  { folder, quick }: Context,
): Promise<{ rows: Row[]; mebibytes: number; descriptors: number; idleCpuMs: number }> {
  await using segment = await openSegment();
  await ip(null, [`addr add ${flooder}/24 dev br0`]);
  const target = await segment.host();
  const { argv } = target.namespace;
  if (guarded) await runCommand([...argv, "nft", "-f", rulesFile]);
  await using faulty = await openFaultyHost(target, "flood");
  await using service = await faulty.startService(["HoldDownSeconds = 1"]);
  await service.line(/Started/);
  const keyText = await Deno.readTextFile(keyFile);
  using socket = openRequestSocket(keyText, host);
  await socket.request();
  const pid = await faulty.pid();
  const before = await readProcessState(pid);
  const droppedBefore = await droppedDatagrams(argv);

  const count = quick ? 20 : 200;
  const sign = () => socket.sign();
  const ones = Array.from({ length: count }, sign);
  // Five copies of each, the copies of five requests in turn: 100 ms apart.
  const fives = Array.from({ length: count / 2 }, sign);
  const copies = Array.from({ length: count / 10 }, (_, i) => fives.slice(i * 5, i * 5 + 5))
    .flatMap((some) => [...some, ...some, ...some, ...some, ...some]);
  const once = [...ones, ...copies];
  const seconds = (once.length * slotMs + patienceMs) / 1_000;
  const line = [
    ...[`${folder}/flood`, host, `${port}`, `${flood.perSecond}`, `${seconds}`],
    ...[flooder, router, `${slotMs}`],
  ];
  const { sent, answers } = await runFlood(line, floodOf(flood, socket.router), once);
  const dropped = await droppedDatagrams(argv) - droppedBefore;
  await sleep(settleMs);
  const after = await readProcessState(pid);
  await sleep(1_000);
  const idleCpuMs = (await readProcessState(pid)).cpuMs - after.cpuMs;

  const name = `${flood.kind}, ${flood.perSecond.toLocaleString("en-US")}/s` +
    (guarded ? ", arpflush.nft" : "");
  const isInsider = flood.kind === "wrong signatures";
  const rows = [
    {
      what: `${name}: one copy flushed`,
      value: flushedPercent(ones, answers, socket.router),
      unit: "%",
      ...guarded ? { promise: { min: 100 } } : isInsider ? {} : { goal: { min: 95 } },
    },
    figure(`${name}: five copies flushed`, flushedPercent(fives, answers, socket.router), "%", {
      promise: { min: isInsider ? 95 : 99 },
    }),
    figure(`${name}: socket full`, 100 * dropped / sent, "%"),
  ];
  const descriptors = after.descriptors - before.descriptors;
  return { rows, mebibytes: after.maxRss / 2 ** 20, descriptors, idleCpuMs };
}

/** The part of a flood over loopback that the sockets of three receivers have no room for. */
async function floodReceivers(flood: Flood, { folder, quick }: Context): Promise<Row> {
  const receivers = [
    denoReceiver("arpflush", "ArpFlush"),
    denoReceiver("bare", "bare Deno loop"),
    cReceiver(folder),
  ];
  const receiverPort = 47_906;
  const numbers = [receiverPort, flood.perSecond, quick ? 0.5 : 4].map(String);
  const subjects = receivers.map((receiver) => ({ what: receiver.name, receiver }));
  const samples = await inTurn(subjects, { count: quick ? 1 : 5 }, async ({ receiver }) => {
    await using _running = await startReceiverProcess(receiver, receiverPort, 0, 0);
    const before = await droppedDatagrams();
    const line = [`${folder}/flood`, "127.0.0.1", ...numbers];
    const { sent } = await runFlood(line, floodOf(flood, sharedRouter));
    return 100 * (await droppedDatagrams() - before) / sent;
  });
  const [ours, ...others] = samples;
  const peer = others.map(({ what, values }) => `${what} ${formatNumber(median(values))}%`);
  const what = `loopback, ${flood.kind}: socket full`;
  return { ...rowOf({ ...ours, what }, "%"), peer: peer.join(", ") };
}

async function run(context: Context): Promise<Row[]> {
  const floods: readonly Flood[] = [
    { kind: "wrong filter", perSecond: context.quick ? 5_000 : 110_000 },
    { kind: "junk", perSecond: context.quick ? 5_000 : 200_000 },
    { kind: "wrong signatures", perSecond: context.quick ? 5_000 : 10_000 },
  ];
  const flooded: Awaited<ReturnType<typeof floodService>>[] = [];
  for (const flood of floods) flooded.push(await floodService(flood, false, context));
  // The rules keep junk away, not what has the shape of a request.
  flooded.push(await floodService(floods[1], true, context));
  const most = (of: (one: typeof flooded[number]) => number) => Math.max(0, ...flooded.map(of));
  const rows: Row[] = [
    ...flooded.flatMap(({ rows }) => rows),
    figure("memory at most", most((one) => one.mebibytes), "MiB", {
      promise: { max: maxMebibytes },
    }),
    figure("descriptors more afterwards", most((one) => one.descriptors), "", {
      promise: { max: 0 },
    }),
    figure("processor in a second afterwards, at most", most((one) => one.idleCpuMs), "ms"),
  ];
  for (const flood of floods) rows.push(await floodReceivers(flood, context));
  return rows;
}

export const floods: Section = {
  title: "Floods",
  about: "200 requests of one copy and 100 of five in a flood from another address, both ends on " +
    "this machine. Loopback: the same floods, 4 s, 5 turns.",
  needs: ["cc", "nft"],
  run,
};
