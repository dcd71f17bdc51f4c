import { decodeAck } from "../../../lib/wire/ack.ts";
import { outcomeOf, run as runCommand } from "../../support/command.ts";
import { sentRequest, type TestRouter } from "../../support/datagrams.ts";
import { readProcessState } from "../../support/linux.ts";
import { ip } from "../../support/namespaces.ts";
import { measuredHost, openMeasuredService } from "../peers.ts";
import { datagramFile, forged, insidersRequest, junk } from "../requests.ts";
import { type Context, figure, type Row, type Section } from "../section.ts";

interface Flood {
  readonly kind: string;
  readonly perSecond: number;
  /** Its datagrams, at a host that obeys the router. */
  readonly make: (router: TestRouter, i: number) => Uint8Array;
  /** Whether the host has arpflush.nft. */
  readonly guarded: boolean;
  /** Of the part of genuine requests that is flushed: those of one copy, and of five. */
  readonly limits: Readonly<Record<"one" | "five", Pick<Row, "goal" | "promise">>>;
}

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

const many = { one: { goal: { min: 95 } }, five: { promise: { min: 99 } } };
const ofJunk = {
  kind: "junk",
  perSecond: 200_000,
  make: (_: TestRouter, i: number) => junk(1 + i * 5),
};
const floodsTried: readonly Flood[] = [
  {
    kind: "wrong filter",
    perSecond: 110_000,
    make: (router) => forged(insidersRequest(router)),
    guarded: false,
    limits: many,
  },
  { ...ofJunk, guarded: false, limits: many },
  {
    // An insider's requests have a right filter, so that their signature is verified.
    kind: "wrong signatures",
    perSecond: 10_000,
    make: insidersRequest,
    guarded: false,
    limits: { one: {}, five: { promise: { min: 95 } } },
  },
  // The rules keep junk away, not what has the shape of a request.
  { ...ofJunk, guarded: true, limits: { ...many, one: { promise: { min: 100 } } } },
];

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

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
  { kind, perSecond, make, guarded, limits }: Flood,
  { folder, quick }: Context,
) {
  await using opened = await openMeasuredService("flood", ["HoldDownSeconds = 1"]);
  const { host, pid, socket } = opened;
  await ip(null, [`addr add ${flooder}/24 dev br0`]);
  if (guarded) await runCommand([...host.namespace.argv, "nft", "-f", rulesFile]);
  await socket.request();
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
  const rate = quick ? 5_000 : perSecond;
  const line = [
    ...[`${folder}/flood`, measuredHost, `${port}`, `${rate}`, `${seconds}`],
    ...[flooder, router, `${slotMs}`],
  ];
  // peers/flood.c prints the answers to what is sent once, then how many of the flood went out.
  const flood = Array.from({ length: 256 }, (_, i) => make(socket.router, i));
  const input = datagramFile([...flood, new Uint8Array(), ...once]);
  const lines = (await outcomeOf(line, { input })).stdout.trim().split("\n");
  if (!(Number(lines.at(-1)?.split(" ")[0]) > 0)) {
    throw new Error(`Cannot flood by "${line.join(" ")}"`);
  }
  const answers = lines.slice(0, -1).map((answer) => Uint8Array.fromHex(answer));
  await sleep(settleMs);
  const after = await readProcessState(pid);
  await sleep(1_000);
  const idleCpuMs = (await readProcessState(pid)).cpuMs - after.cpuMs;

  const name = `${kind}, ${rate.toLocaleString("en-US")}/s${guarded ? ", arpflush.nft" : ""}`;
  const percent = (requests: readonly Uint8Array[]) =>
    flushedPercent(requests, answers, socket.router);
  const rows = [
    figure(`${name}: one copy flushed`, percent(ones), "%", limits.one),
    figure(`${name}: five copies flushed`, percent(fives), "%", limits.five),
  ];
  const descriptors = after.descriptors - before.descriptors;
  return { rows, mebibytes: after.maxRss / 2 ** 20, descriptors, idleCpuMs };
}

async function run(context: Context): Promise<Row[]> {
  const flooded: Awaited<ReturnType<typeof floodService>>[] = [];
  for (const flood of floodsTried) flooded.push(await floodService(flood, context));
  const most = (of: (one: typeof flooded[number]) => number) => Math.max(0, ...flooded.map(of));
  return [
    ...flooded.flatMap(({ rows }) => rows),
    figure("memory at most", most((one) => one.mebibytes), "MiB", {
      promise: { max: maxMebibytes },
    }),
    figure("descriptors more afterwards", most((one) => one.descriptors), "", {
      promise: { max: 0 },
    }),
    figure("processor in a second afterwards, at most", most((one) => one.idleCpuMs), "ms"),
  ];
}

export const floods: Section = {
  title: "Floods",
  about:
    "200 requests of one copy and 100 of five in a flood from another address, both ends on this machine.",
  needs: ["cc", "nft"],
  run,
};
