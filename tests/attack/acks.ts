/**
 * Forged and replayed acks against the sender, `send.ts` as a process of its own: none counts, each is
 * left out for its own reason, and the one genuine ack behind them all does count.
 *
 * An outsider has recorded genuine datagrams; an insider has the router's public key too, and so makes
 * right MACs. What is called signed is signed by the host itself: it speaks, but nonsense. An invented
 * host that answers as a host would is no forgery: siege.ts has it.
 */
import { ackStatuses } from "../../lib/wire/ack.ts";
import { createSyncSigner } from "../../lib/wire/ed25519_node.ts";
import type { SyncSigner } from "../../lib/wire/keys.ts";
import { requestFilterOf } from "../../lib/wire/request.ts";
import { inFolder, outcomeOf, run } from "../support/command.ts";
import { freePort, hostSigner, signAck } from "../support/datagrams.ts";
import { programLine } from "../support/programs.ts";
import {
  answerOf,
  type AttackClass,
  type Bytes,
  every,
  extensions,
  flipped,
  joined,
  made,
  oneBitFlips,
  otherBytes,
  otherRouter,
  type Random,
  replaced,
  router,
  smallOrderPoints,
  smallOrderSignature,
  truncations,
  twoBitFlip,
  withAckMac,
  withAckSignature,
  withMac,
  withSignature,
  withSPlusOrder,
} from "./datagrams.ts";
import { count, Findings } from "./findings.ts";
import { ackFault, judgedKey } from "./judge.ts";

/** A request and the genuine ack to it. */
interface Answered {
  readonly request: Bytes;
  readonly ack: Bytes;
}

/**
 * The classes of forged acks: `now` is the request to be answered, and what its ack by `hostSigner` would
 * be; `before` was recorded earlier, under the same keys.
 */
function ackClasses(now: Answered, before: Answered, random: Random): AttackClass[] {
  const { ack, request } = now;
  const { key } = router;
  const invented = createSyncSigner(random.bytes(32));
  const id = request.slice(20, 36);
  const body = ack.subarray(0, -16);
  const withRightMac = (bytes: Bytes) => withAckMac(bytes, request);
  const signed = (bytes: Bytes) => withAckSignature(bytes, request, hostSigner);
  const named = (bytes: Bytes, name: string) =>
    replaced(bytes, 48, ...new TextEncoder().encode(name.padEnd(16, "\0")));
  const renamed = replaced(before.ack, 20, ...id);
  const signature = ack.slice(-80, -16);
  /** Signed, with every value of a byte that is not right. */
  const others = (name: string, offset: number, isRight: (value: number) => boolean) =>
    every(name, () => otherBytes(ack, offset, isRight).map(signed));
  /** Signed by somebody else in the host's name: its key stands in the ack. */
  const impostor: SyncSigner = { publicKey: hostSigner.publicKey, sign: invented.sign };
  const inItsName = () => answerOf(request, random.pick(ackStatuses), random, {}, impostor);
  function smallOrderHost() {
    const point = random.pick(smallOrderPoints);
    const at = ack.length - 112;
    return withRightMac(withSignature(replaced(ack, at, ...point), smallOrderSignature(point)));
  }
  const host = () => `WEB${random.below(1_000)}`;
  const otherInstance = () => withRightMac(replaced(ack, 112, ...random.bytes(8)));
  const randomBody = () => joined(ack.subarray(0, 36), random.bytes(ack.length - 36));
  const otherFilter = requestFilterOf(before.request);
  const stale = answerOf(request, "stale", random);
  /** Each of which there is one. */
  const single: Readonly<Record<string, Bytes>> = {
    "MAC under the filter key": withMac(ack, key.filterMac(body)),
    "MAC without the request's filter": withMac(ack, key.ackMac(body)),
    "MAC with an earlier request's filter": withMac(ack, key.ackMac(body, otherFilter)),
    "another router's MAC": withAckMac(ack, request, otherRouter),
    "another router's": signAck(request, otherRouter),
    "this request itself": request,
    "an earlier request": before.request,
    "signature with S + L, right MAC": withRightMac(
      withSignature(ack, withSPlusOrder(signature)),
    ),
    "name that is no text, signed": signed(replaced(ack, 48, 0xff)),
    "bytes behind the name's end, signed": signed(replaced(ack, 100, 1)),
    "stale without a challenge, signed": signed(stale.slice().fill(0, 40, 48)),
    "stale with a name, signed": signed(named(stale, "SQL01")),
  };

  return [
    every("truncated", () => truncations(ack)),
    every("extended", () => extensions(ack, random, 700)),
    every("one bit flipped", () => oneBitFlips(ack)),
    made("two bits flipped", 130_000, () => twoBitFlip(ack, random)),
    made("replayed from an earlier request", 1_000, () => before.ack),
    made("earlier ack, this request's id", 1_000, () => renamed),
    made("from another host's name", 1_000, () => named(ack, host())),
    made("random bytes", 1_000, () => random.bytes(random.below(700))),
    made("random behind a right header", 1_000, randomBody),
    ...Object.entries(single).map(([name, bytes]) => every(name, () => [bytes])),
    every("one bit flipped, right MAC", function* () {
      for (let bit = 0; bit < 8 * body.length; bit++) yield withRightMac(flipped(ack, bit));
    }),
    made("earlier ack, this request's id, right MAC", 1_000, () => withRightMac(renamed)),
    made("another host's name, right MAC", 5_000, () => withRightMac(named(ack, host()))),
    made("another instance, right MAC", 5_000, otherInstance),
    made("host key of small order, right MAC", 5_000, smallOrderHost),
    others("foreign version, signed", 4, (value) => value === 2),
    others("foreign type, signed", 5, (value) => value === 2),
    // Pending is an answer to this request, as flushed is.
    others("status of no answer, signed", 6, (value) => value === 2 || value === 5),
    others("m that lies, signed", 7, (value) => value === ack[7]),
    others("report of no state, signed", 120, (value) => value < 5),
    others("unknown flags of a report, signed", 121, (value) => value < 4),
    others("neighbor that is none, signed", 120, (value) => value === 2 || value === 3),
    made("signed by an invented key in the host's name", 45_000, inItsName),
  ];
}

/** Less than what a UDP socket holds by default on Linux. */
const maxVolley = 64;

/** What of the sender's document is looked at. */
interface SenderDocument {
  readonly hosts: readonly { readonly host: string; readonly acks: number }[];
  readonly uncounted: Readonly<Record<string, number>>;
}

const openSocket = (hostname: string, port: number) =>
  Deno.listenDatagram({ transport: "udp", hostname, port });

/** Runs the sender against a new socket; resolves when its request is here. The genuine ack ends it. */
async function runSender(keyPath: string, port: number) {
  const socket = openSocket("127.0.0.1", port);
  const options = ["--json", "--expect", "1", "--wait", "600s", "--count", "1"];
  const subject = ["--address", "192.0.2.1", "--address", "192.0.2.2"];
  const place = ["--key-file", keyPath, "--port", String(port), "127.0.0.1"];
  const end = outcomeOf(programLine("sender", [...options, ...subject, ...place]));
  const early = end.then(({ stderr }) => Promise.reject(new Error(`No request came: ${stderr}`)));
  early.catch(() => {});
  const [bytes, from] = await Promise.race([socket.receive(), early]);
  const request: Bytes = bytes.slice();
  const to = { ...from as Deno.NetAddr, hostname: "127.0.0.1" };
  const further = { datagrams: 0 };
  const reading = (async () => {
    for await (const _ of socket) further.datagrams++;
  })();
  const ack = signAck(request, router);
  return {
    ...{ socket, request, ack, to, further },
    /** Answers genuinely; what the sender printed, after its end. Then the socket is closed. */
    async answer(): Promise<SenderDocument> {
      await socket.send(ack, to);
      const { stdout } = await end;
      socket.close();
      await reading;
      return JSON.parse(stdout);
    },
  };
}

/** Attacks with that part of all classes. */
export function attackWithAcks(part: number, random: Random): Promise<Findings> {
  return inFolder(async (folder) => {
    const findings = new Findings();
    const keyPath = `${folder}/key`;
    await Deno.writeTextFile(keyPath, `${router.secretText}\n`, { mode: 0o600 });
    const port = freePort();
    // A whole run: what an attacker may have recorded.
    const before = await runSender(keyPath, port);
    if ((await before.answer()).hosts.length !== 1) throw new Error("A genuine ack wasn't noticed");
    const now = await runSender(keyPath, port);
    const { socket, request, to, further } = now;
    const foreign = openSocket("127.0.0.3", 0);
    const key = judgedKey(router.key.publicKey);
    const id = request.subarray(20, 36).toHex();
    const expected: Record<string, number> = {};
    let sent = 0;
    for (const { name, datagrams } of ackClasses(now, before, random)) {
      const first = sent;
      for (const bytes of datagrams(part)) {
        const fault = ackFault(bytes, request, key);
        if (fault === null) throw new Error(`A forged ack is genuine: ${name} ${bytes.toHex()}`);
        sent++;
        // From the host's own address and port, and from elsewhere.
        const isForeign = sent % 4 === 0;
        // The sender looks for the request first, and at the port before the signature.
        const isKnown = bytes.subarray(20, 36).toHex() === id;
        const isOfPort = isForeign && fault === "signature";
        count(expected, !isKnown ? "request id" : isOfPort ? "port" : fault);
        await (isForeign ? foreign : socket).send(bytes, to);
        if (sent % maxVolley === 0) await emptyQueue(to.port);
      }
      findings.figures[name] = sent - first;
    }
    await emptyQueue(to.port);
    findings.expect("Requests sent after the first", further.datagrams, 0);
    const { uncounted, hosts } = await now.answer();
    foreign.close();

    for (const reason of new Set([...Object.keys(expected), ...Object.keys(uncounted)])) {
      findings.figures[`uncounted: ${reason}`] = uncounted[reason] ?? 0;
      findings.expect(`Uncounted for ${reason}`, uncounted[reason] ?? 0, expected[reason] ?? 0);
    }
    const counted = hosts.map(({ host, acks }) => `${host} ${acks}`).join();
    findings.expect("Hosts and their acks counted", counted, "SQL01 1");
    findings.figures.sent = sent;
    // And two requests with their genuine acks.
    findings.datagrams = sent + 4;
    return findings;
  });
}

/** Waits until a local UDP socket has read all that came; rejects if it has been closed. */
async function emptyQueue(port: number): Promise<void> {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  for (;;) {
    // Deno itself reads nothing below /proc without all rights.
    const table = await run(["cat", "/proc/net/udp"]);
    const row = table.split("\n").find((line) => line.trim().split(/\s+/)[1]?.endsWith(`:${hex}`));
    if (row === undefined) throw new Error("The sender ended before the genuine ack");
    if (/:0{8}$/.test(row.trim().split(/\s+/)[4])) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
