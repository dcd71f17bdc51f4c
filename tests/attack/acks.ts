/**
 * Forged and replayed acks against the sender, `send.ts` as a process of its own: none counts, each is
 * left out for its own reason, and the one genuine ack behind them all does count.
 */
import { outcomeOf, run } from "../support/command.ts";
import { signAck } from "../support/datagrams.ts";
import { programLine } from "../support/programs.ts";
import { ackClasses, type Answered } from "./ack_classes.ts";
import { draw, fullAttack } from "./classes.ts";
import type { Bytes, Random } from "./datagrams.ts";
import { ackFault } from "./judge.ts";
import { type ClassOutcome, count, Findings, type PartOutcome, prefixed } from "./outcome.ts";
import { openSite, type Site } from "./stage.ts";

/** Less than what a UDP socket holds by default on Linux. */
const maxVolley = 64;

/** What of the sender's document is looked at. */
interface SenderDocument {
  readonly hosts: readonly { readonly host: string; readonly acks: number }[];
  readonly uncounted: Readonly<Record<string, number>>;
}

function openSocket(port: number, hostname = "127.0.0.1"): Deno.DatagramConn {
  return Deno.listenDatagram({ transport: "udp", hostname, port });
}

/** Runs the sender against a socket; resolves when its request is here. The genuine ack ends it. */
async function runSender({ keyPath, port }: Site, socket: Deno.DatagramConn) {
  const options = ["--json", "--expect", "1", "--wait", "600s", "--count", "1"];
  const subject = ["--address", "192.0.2.1", "--address", "192.0.2.2"];
  const place = ["--key-file", keyPath, "--port", String(port), "127.0.0.1"];
  const line = programLine("sender", [...options, ...subject, ...place]);
  const end = outcomeOf(line);
  const early = end.then(({ stderr }) => Promise.reject(new Error(`No request came: ${stderr}`)));
  early.catch(() => {});
  const [request, from] = await Promise.race([socket.receive(), early]);
  const further = { datagrams: 0 };
  const reading = (async () => {
    for await (const _ of socket) further.datagrams++;
  })();
  return {
    request: request.slice() as Bytes,
    to: { ...from as Deno.NetAddr, hostname: "127.0.0.1" },
    further,
    /** What the sender printed, after its end; then the socket is closed. */
    async document(): Promise<SenderDocument> {
      const { stdout } = await end;
      socket.close();
      await reading;
      return JSON.parse(stdout);
    },
  };
}

/** Attacks with at least that many forged acks. */
export async function attackWithAcks(wanted: number, random: Random): Promise<PartOutcome> {
  const findings = new Findings();
  await using site = await openSite();
  const { router, judged: [judged] } = site;
  const before = await answerGenuinely(site);
  const listening = openSocket(site.port);
  const foreign = openSocket(0, "127.0.0.3");
  const { request, to, further, document } = await runSender(site, listening);
  const now = { request, ack: signAck(request, router) };
  const id = request.subarray(20, 36).toHex();
  const expected: Record<string, number> = {};
  const classes: ClassOutcome[] = [];
  const amount = { count: wanted, full: fullAttack.acks, random };
  let [sent, lives] = [0, true];
  for (
    const { attack: { name }, datagrams } of draw(
      ackClasses({ router, random, now, before }),
      amount,
    )
  ) {
    let tried = 0;
    for (const bytes of datagrams) {
      const fault = ackFault(bytes, request, judged);
      if (fault === null) throw new Error(`A forged ack is genuine: ${name} ${bytes.toHex()}`);
      tried++;
      sent++;
      // From the host's own address and port, and from elsewhere.
      const isForeign = sent % 4 === 0;
      // The sender looks for the request first, and at the port before the signature.
      const isKnown = bytes.subarray(20, 36).toHex() === id;
      count(
        expected,
        !isKnown ? "request id" : isForeign && fault === "signature" ? "port" : fault,
      );
      await (isForeign ? foreign : listening).send(bytes, to);
      if (sent % maxVolley === 0) lives &&= await emptyQueue(to.port);
      if (!lives) break;
    }
    // What is counted of all of them is known at the end.
    classes.push({ name, tried, accepted: 0, answered: 0 });
  }
  if (!await emptyQueue(to.port)) findings.faults.push("The sender ended before the genuine ack");
  findings.expect("Requests sent after the first", further.datagrams, 0);
  await listening.send(now.ack, to);
  const { uncounted, hosts } = await document();
  foreign.close();

  for (const reason of new Set([...Object.keys(expected), ...Object.keys(uncounted)])) {
    findings.expect(`Uncounted for ${reason}`, uncounted[reason] ?? 0, expected[reason] ?? 0);
  }
  findings.expect("Hosts counted", hosts.length, 1);
  findings.expect("Acks counted", hosts[0]?.acks ?? 0, 1);
  if (hosts[0]?.host !== "SQL01") findings.faults.push(`The host counted is ${hosts[0]?.host}`);
  return {
    part: "forged acks",
    sent,
    // And two requests with their genuine acks.
    datagrams: sent + 4,
    figures: {
      counted: hosts.length - 1,
      ...prefixed("uncounted", uncounted),
    },
    classes,
    faults: findings.faults,
  };
}

/** A whole run of the sender with a genuine answer: what an attacker may have recorded. */
async function answerGenuinely(site: Site): Promise<Answered> {
  const socket = openSocket(site.port);
  const { request, to, document } = await runSender(site, socket);
  const ack = signAck(request, site.router);
  await socket.send(ack, to);
  if ((await document()).hosts.length !== 1) throw new Error("A genuine ack was not noticed");
  return { request, ack };
}

/** Waits until a local UDP socket has read all that came; false if there is no such socket any more. */
async function emptyQueue(port: number): Promise<boolean> {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  for (;;) {
    // Deno itself reads nothing below /proc without all rights.
    const table = await run(["cat", "/proc/net/udp"]);
    const row = table.split("\n").find((line) => line.trim().split(/\s+/)[1]?.endsWith(`:${hex}`));
    if (row === undefined) return false;
    if (/:0{8}$/.test(row.trim().split(/\s+/)[4])) return true;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
