import { decodeAck } from "../../../lib/wire/ack.ts";
import { keyFile, openFaultyHost, openSegment } from "../../net/chain.ts";
import { outcomeOf, run as runCommand } from "../../support/command.ts";
import { sentRequest, type TestRouter } from "../../support/datagrams.ts";
import { readProcessState } from "../../support/linux.ts";
import { ip } from "../../support/namespaces.ts";
import { datagramFile, forged, insidersRequest, junk, openRequestSocket } from "../requests.ts";
import { type Context, figure, type Row, type Section } from "../section.ts";

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
  // peers/flood.c prints the answers to what is sent once, then how many of the flood went out.
  const input = datagramFile([...floodOf(flood, socket.router), new Uint8Array(), ...once]);
  const lines = (await outcomeOf(line, { input })).stdout.trim().split("\n");
  if (!(Number(lines.at(-1)?.split(" ")[0]) > 0)) {
    throw new Error(`Cannot flood by "${line.join(" ")}"`);
  }
  const answers = lines.slice(0, -1).map((answer) => Uint8Array.fromHex(answer));
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
  ];
  const descriptors = after.descriptors - before.descriptors;
  return { rows, mebibytes: after.maxRss / 2 ** 20, descriptors, idleCpuMs };
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
  return rows;
}

export const floods: Section = {
  title: "Floods",
  about:
    "200 requests of one copy and 100 of five in a flood from another address, both ends on this machine.",
  needs: ["cc", "nft"],
  run,
};
