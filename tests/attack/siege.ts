/**
 * The real sender on a link where everybody but one host lies to it, insiders all of them: hosts
 * with invented keys give every answer that there is, restart again and again, answer from 64
 * addresses and from one off the link, and call themselves by the honest host's name. The run ends
 * on time and leaves a report, nothing goes off the link, and the pinned host's word stands.
 */
import { ackStatuses, type FlushAck } from "../../lib/wire/ack.ts";
import { createSyncSigner } from "../../lib/wire/ed25519_node.ts";
import { formatKey, type SyncSigner } from "../../lib/wire/keys.ts";
import { inFolder, outcomeOf } from "../support/command.ts";
import { hostSigner, signAck } from "../support/datagrams.ts";
import { connect, ip, openNetworkNamespace } from "../support/namespaces.ts";
import { programLine } from "../support/programs.ts";
import {
  answerOf,
  type Bytes,
  type Random,
  replaced,
  router,
  withAckSignature,
} from "./datagrams.ts";
import { Findings } from "./findings.ts";

const port = 27_735;
const broadcast = "10.64.255.255";
/** The honest host, which is pinned. */
const honestAddress = "10.64.0.200";
const honestName = "SQL01";
const pin = formatKey("host", hostSigner.publicKey);
/** The address in question. */
const asked = ["--address", "10.64.255.253"];
/** The router's way to everywhere else leads to the attacker, who has this address. */
const offLink = "203.0.113.5";
const forgedSources = 64;
const inventedNames = Array.from({ length: 12 }, (_, i) => `WEB${i}`);
const restartEveryMs = 1_000;
const tickMs = 50;
const offLinkAcks = 20;
/** Of the process, besides what the protocol bounds. */
const slackMs = 3_000;
const schedule = { count: 5, intervalMs: 100, waitMs: 500 } as const;
const pendingPatienceMs = 15_000;
const lastTime = new Uint8Array(8).fill(0xff);

/**
 * What the honest host says: an address in question is at another's link-layer address; nobody
 * answers for it, and it never used it; its flush failed.
 */
type Truth = "stuck" | "flushed" | "failed";

/** What of the sender's document is looked at. */
interface SenderDocument {
  readonly exitCode: number;
  readonly elapsedMs: number;
  readonly hosts: readonly { readonly key: string; readonly state: string }[];
  readonly missing: { readonly count: number };
}

function openSocket(hostname: string): Deno.DatagramConn {
  return Deno.listenDatagram({ transport: "udp", hostname, port });
}

/** A liar's ack that fits the request. */
function lie(
  request: Bytes,
  random: Random,
  { status, ...changes }: Partial<FlushAck> & Pick<FlushAck, "status">,
  signer: SyncSigner,
): Bytes {
  const host = random.pick(inventedNames);
  const ack = answerOf(request, status, random, { host, ...changes }, signer);
  return status === "stale"
    ? withAckSignature(replaced(ack, 12, ...lastTime), request, signer)
    : ack;
}

/**
 * One run under attack for each thing that the honest host says. In the full attack one more, in which
 * the liars can say that their flush is to come, which the sender waits 15 s for.
 */
export async function besiegeSender(part: number, random: Random): Promise<Findings> {
  const findings = new Findings();
  await using namespace = await openNetworkNamespace("router");
  await connect({ namespace: null, name: "a0", addresses: ["10.64.0.1/16"] }, {
    ...{ namespace, name: "r0", addresses: ["10.64.255.253/16"] },
  });
  await ip(null, ["route add local 10.64.0.0/17 dev lo", `addr add ${offLink}/32 dev lo`]);
  await ip(namespace, ["route add default via 10.64.0.1"]);
  await inFolder(async (folder) => {
    const [key, expect] = [`${folder}/key`, `${folder}/expect`];
    await Deno.writeTextFile(key, `${router.secretText}\n`, { mode: 0o600 });
    // One that never answers keeps the run waiting to its end.
    const silent = createSyncSigner(random.bytes(32)).publicKey;
    const expected = [`${honestName} ${honestAddress} ${pin}`, `WEB0 ${formatKey("host", silent)}`];
    await Deno.writeTextFile(expect, `${expected.join("\n")}\n`);
    const { count, intervalMs, waitMs } = schedule;
    const line = [
      ...namespace.argv,
      ...programLine("sender", [
        ...["--key-file", key, "--expect", expect, "--json"],
        ...["--count", `${count}`, "--interval", `${intervalMs}ms`, "--wait", `${waitMs}ms`],
        broadcast,
      ]),
    ];
    await besiege("stuck", [...line, ...asked], random, findings);
    await besiege("flushed", [...line, ...asked], random, findings);
    // Of what is flushed without a report liars can say that it is pending.
    if (part === 1) await besiege("failed", [...line, "--no-verify"], random, findings);
  });
  await ip(null, [
    "link del a0",
    `addr del ${offLink}/32 dev lo`,
    "route del local 10.64.0.0/17 dev lo",
  ]);
  return findings;
}

/** One run of a sender, while the honest host says what is true. */
async function besiege(
  truth: Truth,
  line: readonly string[],
  random: Random,
  { expect, faults, figures }: Findings,
): Promise<void> {
  const { count, intervalMs, waitMs } = schedule;
  const begin = performance.now();
  const siege = new Siege(random, truth);
  const { stdout, stderr } = await outcomeOf(line, { signal: AbortSignal.timeout(60_000) });
  const tookMs = performance.now() - begin;
  await siege.end();
  if (stdout === "") {
    faults.push(`No report, honest host ${truth}: ${stderr}`);
    return;
  }
  const document: SenderDocument = JSON.parse(stdout);
  const honest = document.hosts.filter(({ key }) => key === pin).map(({ state }) => state);
  expect("The honest host's states", honest.join(), truth);
  expect("Missing hosts", document.missing.count, 1);
  expect("Exit code", document.exitCode, 3);
  expect("Datagrams off the link", siege.offLink, 0);
  const maxMs = (count - 1) * intervalMs + 2 * waitMs + pendingPatienceMs;
  if (document.elapsedMs > maxMs + 500 || tookMs > maxMs + slackMs) {
    faults.push(`The run took ${document.elapsedMs} ms, at most ${maxMs}`);
  }
  figures[`lies, honest host ${truth}`] = siege.sent;
  figures[`ms of the run, honest host ${truth}`] = Math.round(document.elapsedMs);
  figures[`hosts in the report, honest host ${truth}`] = document.hosts.length;
  figures[`datagrams to liars, honest host ${truth}`] = siege.followUps;
}

/** Everybody on the link, from the first datagram of a run on. */
class Siege {
  sent = 0;
  /** Datagrams to single addresses on the link, and off it. */
  followUps = 0;
  offLink = 0;
  readonly #listening = openSocket(broadcast);
  readonly #honest = openSocket(honestAddress);
  readonly #outside = openSocket(offLink);
  readonly #sources = Array.from(
    { length: forgedSources },
    (_, i) => openSocket(`10.64.1.${i}`),
  );
  readonly #faithful = createSyncSigner(new Uint8Array(32).fill(44));
  readonly #reading: Promise<void>[];
  #request: { readonly bytes: Bytes; readonly from: Deno.NetAddr } | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #startedAt = 0;
  #ended = false;

  constructor(readonly random: Random, readonly truth: Truth) {
    this.#reading = [
      this.#read(this.#listening, (bytes, from) => this.#onCopy(bytes, from)),
      this.#read(this.#honest, () => {}),
      this.#read(this.#outside, () => void this.offLink++),
      ...this.#sources.map((source) => this.#read(source, () => void this.followUps++)),
    ];
  }

  async end(): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#timer);
    for (const one of [this.#listening, this.#honest, this.#outside, ...this.#sources]) {
      one.close();
    }
    await Promise.all(this.#reading);
  }

  async #read(socket: Deno.DatagramConn, take: (bytes: Bytes, from: Deno.NetAddr) => void) {
    for await (const [bytes, from] of socket) take(bytes.slice(), from as Deno.NetAddr);
  }

  #onCopy(bytes: Bytes, from: Deno.NetAddr) {
    const isFirst = this.#request === null;
    this.#request = { bytes, from };
    const report = {
      ...{ cached: false, gateway: false },
      ...this.truth === "stuck"
        ? { state: "neighbor", linkLayerAddress: Uint8Array.of(2, 0, 0, 0, 0, 0x66) } as const
        : { state: "no neighbor", linkLayerAddress: new Uint8Array(6) } as const,
    };
    const told = this.truth === "failed"
      ? { status: "failed", error: 5, reports: [] } as const
      : { reports: [report] };
    this.#send(this.#honest, signAck(bytes, router, { host: honestName, ...told }));
    if (!isFirst) return;
    this.#startedAt = performance.now();
    this.#tick();
  }

  #tick() {
    if (this.#ended || this.#request === null) return;
    const { bytes } = this.#request;
    const { random } = this;
    const statuses = ackStatuses.filter((status) => status !== "alive");
    // Each status by a key of its own, under the honest name and under invented ones.
    for (const status of statuses) {
      const signer = createSyncSigner(random.bytes(32));
      const instance = random.bytes(8);
      const host = random.pick([honestName, ...inventedNames]);
      const said = { status, instance, host, micros: 0xffff_ffff };
      this.#send(random.pick(this.#sources), lie(bytes, random, said, signer));
    }
    // One that restarts again and again is stale after each start.
    const start = Math.floor((performance.now() - this.#startedAt) / restartEveryMs);
    const restarted = { status: "stale", instance: new Uint8Array(8).fill(1 + start) } as const;
    this.#send(this.#sources[0], lie(bytes, random, restarted, this.#faithful));
    // Off the link: to be repaired, or asked again, would be to send there.
    for (let i = 0; i < offLinkAcks / 10; i++) {
      const signer = createSyncSigner(random.bytes(32));
      this.#send(this.#outside, lie(bytes, random, { status: random.pick(statuses) }, signer));
    }
    // The honest host's own words, which are not its own: a MAC is right, a signature isn't.
    const impostor = { publicKey: hostSigner.publicKey, sign: this.#faithful.sign };
    const forged = { status: "flushed", instance: random.bytes(8) } as const;
    this.#send(this.#honest, lie(bytes, random, forged, impostor));
    this.#timer = setTimeout(() => this.#tick(), tickMs);
  }

  #send(socket: Deno.DatagramConn, bytes: Uint8Array) {
    if (this.#request === null || this.#ended) return;
    this.sent++;
    socket.send(bytes, this.#request.from).catch(() => {});
  }
}
