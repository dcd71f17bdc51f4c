/**
 * Forged and replayed acks against the sender, `send.ts` as a process of its own: none counts, each
 * is ignored for its own reason, and the one genuine ack behind them all does count.
 */
import { run } from "../support/command.ts";
import { programLine } from "../support/programs.ts";
import { ackForgeries, type Answered, genuineAck } from "./ack_forgeries.ts";
import { ackFault } from "./judge.ts";
import { createFindings, type PartOutcome } from "./outcome.ts";
import type { Random } from "./random.ts";
import { type Camp, pitchCamp } from "./target.ts";

const address = "127.0.0.1";
/** Less than what a UDP socket holds by default on Linux. */
const volleyMost = 64;
/** The sender's patience; the genuine ack ends it earlier. */
const waitSeconds = 600;

/** A run of the sender that waits for an answer. */
interface SenderRun extends Disposable {
  readonly request: Uint8Array<ArrayBuffer>;
  readonly to: Deno.NetAddr;
  /** Datagrams that the sender has sent so far. */
  readonly datagrams: () => number;
  /** Its exit code and JSON document, after its end. */
  readonly end: () => Promise<{ readonly code: number; readonly document: SenderDocument }>;
}

/** What of the sender's document is looked at. */
interface SenderDocument {
  readonly hosts: readonly { readonly host: string; readonly acks: number }[];
  readonly ignored: Readonly<Record<string, number>>;
}

/** Runs the sender against the attacker's socket; resolves when its request is here. */
async function runSender(
  { keyPath, port }: Camp,
  socket: Deno.DatagramConn,
): Promise<SenderRun> {
  const options = ["--json", "--expect", "1", "--wait", `${waitSeconds}s`, "--count", "1"];
  const subject = ["--address", "192.0.2.1", "--address", "192.0.2.2"];
  const place = ["--key-file", keyPath, "--port", String(port), address];
  const [program, ...args] = programLine("sender", [...options, ...subject, ...place]);
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "piped", stderr: "null" })
    .spawn();
  const output = child.output();
  const receiving = socket.receive();
  const early = output.then(({ code }) => {
    throw new Error(`The sender ended with code ${code} before its request came`);
  });
  const [request, from] = await Promise.race([receiving, early]);
  early.catch(() => {});
  if (from.transport !== "udp") throw new Error("The request came from no UDP socket");
  let datagrams = 1;
  let open = true;
  const more = (async () => {
    while (open) {
      try {
        await socket.receive();
        datagrams++;
      } catch {
        open = false;
      }
    }
  })();
  return {
    request: request.slice(),
    to: { ...from, hostname: address },
    datagrams: () => datagrams,
    async end() {
      const { code, stdout } = await output;
      socket.close();
      await more;
      return { code, document: JSON.parse(new TextDecoder().decode(stdout)) };
    },
    [Symbol.dispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
    },
  };
}

/** Attacks with at least that many forged acks. */
export async function attackWithAcks(count: number, random: Random): Promise<PartOutcome> {
  const findings = createFindings();
  await using camp = await pitchCamp(random);
  const { key, judged } = camp;
  const before = await answerGenuinely(camp);
  const listening = openAt(camp.port);
  using foreign = openAt(0, "127.0.0.3");
  using sender = await runSender(camp, listening);
  const { request, to } = sender;
  const now = { request, ack: genuineAck(request, key) };
  const expected: Record<string, number> = {};
  const kinds: Record<string, number> = {};
  let sent = 0;
  for (const { kind, bytes } of ackForgeries({ key, random, now, before }, count)) {
    const fault = ackFault(bytes, request, judged);
    if (fault === null) throw new Error(`A forged ack is genuine: ${kind} ${bytes.toHex()}`);
    expected[fault] = (expected[fault] ?? 0) + 1;
    kinds[`kind: ${kind}`] = (kinds[`kind: ${kind}`] ?? 0) + 1;
    sent++;
    // From the host's own address and port, and from elsewhere.
    await (sent % 4 === 0 ? foreign : listening).send(bytes, to);
    if (sent % volleyMost === 0 && !await emptyQueue(to.port)) break;
  }
  if (!await emptyQueue(to.port)) findings.fault("The sender was done before the genuine ack came");
  const datagrams = sender.datagrams();
  await listening.send(now.ack, to);
  const { document } = await sender.end();

  const { ignored, hosts } = document;
  for (const reason of new Set([...Object.keys(expected), ...Object.keys(ignored)])) {
    findings.expect(`Ignored for ${reason}`, ignored[reason] ?? 0, expected[reason] ?? 0);
  }
  const total = Object.values(ignored).reduce((sum, one) => sum + one, 0);
  findings.expect("Ignored", total, sent);
  findings.expect("Hosts counted", hosts.length, 1);
  findings.expect("Acks counted", hosts[0]?.acks ?? 0, 1);
  if (hosts[0]?.host !== "SQL01") findings.fault(`The host counted is ${hosts[0]?.host}`);
  findings.expect("Requests sent, repaired ones included", datagrams, 1);
  return {
    part: "forged acks",
    sent,
    // And two requests with their genuine acks.
    datagrams: sent + 4,
    figures: {
      counted: hosts.length - 1,
      ...kinds,
      ...Object.fromEntries(
        Object.entries(ignored).map(([reason, count]) => [`ignored: ${reason}`, count]),
      ),
    },
    faults: findings.faults,
  };
}

function openAt(port: number, hostname = address): Deno.DatagramConn & Disposable {
  const socket = Deno.listenDatagram({ transport: "udp", hostname, port });
  return Object.assign(socket, { [Symbol.dispose]: () => socket.close() });
}

/** A whole run of the sender with a genuine answer: what an attacker may have recorded. */
async function answerGenuinely(camp: Camp): Promise<Answered> {
  const socket = openAt(camp.port);
  using sender = await runSender(camp, socket);
  const { request, to } = sender;
  const ack = genuineAck(request, camp.key);
  await socket.send(ack, to);
  const { document } = await sender.end();
  if (document.hosts.length !== 1) throw new Error("The sender took no notice of a genuine ack");
  return { request, ack };
}

/**
 * Waits until a local UDP socket has read all that came, by the kernel's own table; false if there
 * is no such socket any more.
 */
async function emptyQueue(port: number): Promise<boolean> {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  for (;;) {
    // Deno itself reads nothing below /proc without all rights.
    const table = await run(["cat", "/proc/net/udp"]);
    const row = table.split("\n").find((line) => line.trim().split(/\s+/)[1]?.endsWith(`:${hex}`));
    if (row === undefined) return false;
    const [, queued] = row.trim().split(/\s+/)[4].split(":");
    if (parseInt(queued, 16) === 0) return true;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
