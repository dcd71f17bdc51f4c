/**
 * One run: its requests, signed once and sent as copies, the acks to them, and what goes to single
 * hosts besides. Sockets, time and cryptography are handed in. Nothing that arrives ends a run or
 * makes it throw; it ends at the latest at the last copy + 2 x `waitMs` + 15 s.
 */
import { type AskReport, type AskResult, noAsk } from "../ask/verdicts.ts";
import { sleep, type Time } from "../time.ts";
import { type AckFault, decodeAck, type FlushAck, type SentRequest } from "../wire/ack.ts";
import { isLinkLocal, parseAddress, prefixContains } from "../wire/addresses.ts";
import { challengeLength, idLength, offsets } from "../wire/datagram.ts";
import type { RouterKey } from "../wire/keys.ts";
import {
  encodeRequest,
  type FlushRequest,
  requestFilterOf,
  requestMessage,
  sealRequest,
} from "../wire/request.ts";
import {
  type Copies,
  type DatagramPort,
  type OpenDatagramPort,
  type PortNotes,
  type Receive,
  type Schedule,
  sendCopies,
  sendOne,
  type TargetOutcome,
} from "./datagram_port.ts";
import type { ExpectedHosts } from "./expectation.ts";
import { type FollowUp, FollowUps, pendingPatienceMs } from "./follow_ups.ts";
import {
  type Answer,
  type AskedRequest,
  clockOffset,
  type Host,
  Hosts,
  isDecided,
  type Noted,
} from "./hosts.ts";
import type { Target } from "./targets.ts";

/** One request of a run, and where it goes. */
export interface PlannedRequest {
  /** Everything but what the exchange sets. */
  readonly fields: Omit<FlushRequest, "created" | "id" | "challenge">;
  readonly targets: readonly Target[];
  /** Numbers of the links it goes out on: a host must answer all requests of a link that it is on. */
  readonly links: readonly number[];
}

/** Requests, and what signs them. */
interface SignedContent {
  readonly kind: "signed";
  readonly key: RouterKey;
  sign(message: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
  readonly requests: readonly PlannedRequest[];
}

/** What the datagrams of a run are made of. */
type Content =
  | SignedContent
  /** The datagram of 2009, which nobody acknowledges. */
  | { readonly kind: "password"; readonly password: string; readonly targets: readonly Target[] }
  /** No datagram: hosts are asked by ARP and Neighbor Discovery alone. */
  | { readonly kind: "none"; readonly isProbe: boolean };

/** What is to be sent, to whom, and when it is enough. */
export interface ExchangePlan {
  readonly content: Content;
  /** The service's UDP port. */
  readonly udpPort: number;
  readonly schedule: Schedule;
  /** How long acks are waited for after the last copy. */
  readonly waitMs: number;
  /** Hosts whose answers end the waiting. */
  readonly expected: ExpectedHosts;
  /** Whether the run goes to an address: a named target's, or on a link that it leaves through. */
  wasSentTo(address: string): boolean;
  /** Whether an address is the sending machine's own. */
  isOwnAddress(address: string): boolean;
  /** Which of two answers that say what is true is worse: see `compareAnswers`. */
  compare(a: FlushAck, b: FlushAck, request: AskedRequest): number;
}

/** Checks a host's signature. Never rejects. */
type Verify = (
  publicKey: Uint8Array<ArrayBuffer>,
  message: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
) => Promise<boolean>;

/** Why a datagram that came doesn't count. */
export type Uncounted =
  | AckFault
  | "port"
  | "signature"
  | "replaced instance"
  | "too many hosts"
  | "too many at once";

/** What has happened so far; the exchange goes on writing into it. */
export interface ExchangeRecord extends PortNotes {
  /** Unix time in ms. */
  readonly created: number;
  readonly requests: readonly AskedRequest[];
  copies: number;
  readonly targets: readonly TargetOutcome[];
  readonly hosts: Hosts;
  readonly uncounted: Map<Uncounted, number>;
  /** Right acks from addresses that the run was not sent to, by address; 64 of them. */
  readonly elsewhere: Map<string, number>;
  /** Acks that were still to be verified when the run ended. */
  unverified: number;
  /** Why the run was ended before its time; null if it wasn't. */
  endedEarly: string | null;
  /** It was ended since addresses left that it asks about: what is wrong about them is no fault now. */
  hasLostAddresses: boolean;
  /** Addresses in question that left this router while the run went on to its end. */
  left: readonly string[];
  /** What asking hosts that run no service came to, which goes on beside the exchange. */
  asked: AskReport;
  /** ms from the first copy to the end. */
  elapsedMs: number;
}

/** What a live report or a log wants to know when it happens. */
export type ExchangeEvent =
  | { readonly kind: "copy"; readonly copy: number }
  | { readonly kind: "ack"; readonly noted: Noted }
  | { readonly kind: "follow-up"; readonly followUp: FollowUp }
  | { readonly kind: "uncounted"; readonly why: Uncounted; readonly address: string }
  | { readonly kind: "elsewhere"; readonly address: string }
  /** A host that was asked has its verdict. */
  | { readonly kind: "asked"; readonly result: AskResult };

export type Watch = (event: ExchangeEvent, record: ExchangeRecord) => void;

/** Acks that wait for the check of their signature; further ones are dropped and counted. */
const maxUnverified = 1_024;
const maxElsewhere = 64;
/** How often the end is looked for while acks come in: the look takes time with thousands of hosts. */
const lookIntervalMs = 20;

/** A request or a repair as it went out. */
interface Sent {
  readonly planned: PlannedRequest;
  readonly content: SignedContent;
  readonly asked: AskedRequest;
  readonly sent: SentRequest;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly isRepair: boolean;
  /** Null for a repair. */
  copies: Copies | null;
}

/**
 * Carries out a plan. Rejects only if a request can't be encoded. `watch` must not throw. When `signal`
 * is aborted nothing is sent any more, and the exchange ends.
 */
export async function exchange(
  plan: ExchangePlan,
  openPort: OpenDatagramPort,
  time: Time,
  verify: Verify,
  watch: Watch = () => {},
  signal?: AbortSignal,
): Promise<ExchangeRecord> {
  const created = time.wall();
  const { content } = plan;
  const signed = content.kind !== "signed" ? [] : await Promise.all(
    content.requests.map((planned) => signRequest(planned, created, null, content)),
  );
  const requests = signed.map(({ asked }) => asked);
  const hosts = new Hosts({
    requests,
    expected: plan.expected,
    isOwn: (address) => plan.isOwnAddress(address) && !record.named.has(address),
    compare: plan.compare,
  });
  const copies = content.kind === "password"
    ? [copiesOf(new TextEncoder().encode(content.password), content.targets)]
    : signed.map((sent) => sent.copies = copiesOf(sent.bytes, sent.planned.targets));
  const record: ExchangeRecord = {
    created,
    requests,
    copies: 0,
    targets: copies.flatMap(({ outcomes }) => outcomes),
    hosts,
    uncounted: new Map(),
    elsewhere: new Map(),
    unverified: 0,
    named: new Set(),
    strayPorts: new Set(),
    endedEarly: null,
    hasLostAddresses: false,
    left: [],
    asked: noAsk,
    elapsedMs: 0,
  };
  await new Run(plan, signed, record, time, verify, watch, signal).carryOut(copies, openPort);
  return record;
}

function copiesOf(bytes: Uint8Array, targets: readonly Target[]): Copies {
  const outcomes = targets.map((target) => ({ target, sent: 0, error: null }));
  return { bytes, outcomes, latestAt: 0 };
}

/** A planned request with an id, signed; with a challenge it is a repair. */
async function signRequest(
  planned: PlannedRequest,
  created: number,
  repaired: { readonly asked: AskedRequest; readonly challenge: Uint8Array } | null,
  content: SignedContent,
): Promise<Sent> {
  const { key, sign } = content;
  const { fields, links } = planned;
  const id = crypto.getRandomValues(new Uint8Array(idLength));
  const challenge = repaired?.challenge ?? new Uint8Array(challengeLength);
  const bytes = encodeRequest({ ...fields, created, id, challenge }, key);
  const signing = sign(requestMessage(bytes));
  // The first time a MAC is derived, which takes longer than the signature on its thread.
  void key.filterMac;
  sealRequest(bytes, await signing, key);
  const { action, addresses, report, acknowledge } = fields;
  return {
    planned,
    content,
    asked: repaired?.asked ?? { id: id.toHex(), action, addresses, report, links },
    sent: {
      key,
      id,
      filter: requestFilterOf(bytes),
      action,
      acknowledge,
      reportCount: report ? addresses.length : 0,
    },
    bytes,
    isRepair: repaired !== null,
    copies: null,
  };
}

/** The part of a run that lasts: what comes in, what goes out besides the copies, and the end. */
class Run {
  readonly #byId: Map<string, Sent>;
  /** Repairs by host and request, made once: all their copies are the same bytes. */
  readonly #repairs = new Map<string, Promise<Sent>>();
  readonly #followUps: FollowUps;
  readonly #bell: Bell;
  #start = 0;
  #lastCopyAt: number | null = null;
  #ended = false;

  constructor(
    readonly plan: ExchangePlan,
    readonly signed: readonly Sent[],
    readonly record: ExchangeRecord,
    readonly time: Time,
    readonly verify: Verify,
    readonly watch: Watch,
    readonly signal?: AbortSignal,
  ) {
    this.#byId = new Map(signed.map((sent) => [sent.sent.id.toHex(), sent]));
    this.#bell = new Bell(time);
    const { expected, waitMs, wasSentTo } = plan;
    this.#followUps = new FollowUps({
      waitMs,
      wasSentTo: (address) => wasSentTo(address) || record.named.has(address),
      expected,
    });
  }

  async carryOut(copies: readonly Copies[], openPort: OpenDatagramPort) {
    const { plan: { udpPort, schedule }, record, time, signal } = this;
    const receive: Receive = (bytes, address, source) => void this.#receive(bytes, address, source);
    const port = openPort(receive, record);
    this.#start = time.monotonic();
    const end = () => this.#end();
    signal?.addEventListener("abort", end);
    const following = this.#sendFollowUps(port);
    record.copies = await sendCopies(copies, udpPort, schedule, port, time, (copy) => {
      record.copies = copy;
      this.#tell({ kind: "copy", copy });
    }, signal);
    this.#lastCopyAt = time.monotonic();
    const isAnySent = record.targets.some(({ sent }) => sent > 0);
    if (isAnySent && this.signed.length > 0) await this.#waitForAnswers(this.#lastCopyAt);
    this.#end();
    await following;
    signal?.removeEventListener("abort", end);
    port.close();
    record.elapsedMs = time.monotonic() - this.#start;
  }

  #end() {
    this.#ended = true;
    this.#bell.ring();
  }

  #tell(event: ExchangeEvent) {
    this.watch(event, this.record);
  }

  #leaveOut(why: Uncounted, address: string) {
    const { uncounted } = this.record;
    uncounted.set(why, (uncounted.get(why) ?? 0) + 1);
    this.#tell({ kind: "uncounted", why, address });
  }

  async #receive(bytes: Uint8Array, address: string, sourcePort: number) {
    // Until the port is closed more may come in, which nobody waits for.
    if (this.#ended) return;
    const { plan, record, time } = this;
    const ms = time.monotonic() - this.#start;
    const wall = time.wall();
    const known = this.#byId.get(bytes.subarray(offsets.id, offsets.id + idLength).toHex());
    if (known === undefined) return this.#leaveOut("request id", address);
    const decoded = decodeAck(bytes, known.sent);
    if (typeof decoded === "string") return this.#leaveOut(decoded, address);
    const { ack, hostKey, message, signature } = decoded;
    const key = hostKey.toHex();
    const isPinned = plan.expected.isPinned(key);
    if (sourcePort !== plan.udpPort && !isPinned) return this.#leaveOut("port", address);
    if (record.unverified >= maxUnverified) return this.#leaveOut("too many at once", address);
    record.unverified++;
    const isRight = await this.verify(hostKey, message, signature);
    if (this.#ended) return;
    record.unverified--;
    this.#bell.ring();
    if (!isRight) return this.#leaveOut("signature", address);
    const wasAsked = plan.wasSentTo(address) || record.named.has(address);
    const mayAnswer = wasAsked || plan.isOwnAddress(address) || isPinned;
    if (!mayAnswer) return this.#noteElsewhere(address);
    const roundTripMs = Math.max(0, this.#start + ms - (known.copies?.latestAt ?? this.#start));
    const clock = clockOffset(ack.clock, wall, roundTripMs);
    this.#count(key, { ack, address, ms, clock }, known);
  }

  #noteElsewhere(address: string) {
    const { elsewhere } = this.record;
    if (!elsewhere.has(address) && elsewhere.size >= maxElsewhere) return;
    elsewhere.set(address, (elsewhere.get(address) ?? 0) + 1);
    this.#tell({ kind: "elsewhere", address });
  }

  #count(key: string, answer: Answer, { asked, isRepair }: Sent) {
    const noted = this.record.hosts.note(key, answer, asked, isRepair);
    if (typeof noted === "string") return this.#leaveOut(noted, answer.address);
    this.#followUps.note(noted, isRepair, this.time.monotonic(), this.#lastCopyAt);
    this.#tell({ kind: "ack", noted });
  }

  /** The bytes of a follow-up: the request as it went out, or its repair. */
  async #bytesOf(
    { host, request, challenge }: FollowUp,
    { bytes, planned, content }: Sent,
  ): Promise<Uint8Array> {
    if (challenge === null) return bytes;
    const id = `${host.key} ${host.instance} ${request.id}`;
    let repair = this.#repairs.get(id);
    if (repair === undefined) {
      const repaired = { asked: request, challenge };
      repair = signRequest(planned, this.time.wall(), repaired, content);
      this.#repairs.set(id, repair);
    }
    const sent = await repair;
    this.#byId.set(sent.sent.id.toHex(), sent);
    return sent.bytes;
  }

  async #sendFollowUps(port: DatagramPort) {
    const { plan, record, time } = this;
    while (!this.#ended) {
      await this.#bell.until(this.#followUps.nextAt());
      for (const followUp of this.#ended ? [] : this.#followUps.takeDue(time.monotonic())) {
        const sent = this.signed[record.requests.indexOf(followUp.request)];
        const bytes = await this.#bytesOf(followUp, sent);
        if (this.#ended) return;
        for (const target of sourceTargets(followUp.address, sent.planned.targets)) {
          await sendOne(bytes, { target, sent: 0, error: null }, plan.udpPort, port);
        }
        this.#tell({ kind: "follow-up", followUp });
      }
    }
  }

  /** Whether all that are expected have said what is true: nobody is waited for then. */
  #isEnough(): boolean {
    const { plan: { expected }, record: { hosts, unverified } } = this;
    if (expected.count === null || unverified > 0) return false;
    const others = hosts.all().filter(({ own }) => !own);
    const hasSaid = (host: Host) =>
      hosts.requestsOf(host).every((request) => {
        const answer = hosts.answerOf(host, request);
        return answer !== null && isDecided(answer.ack, request);
      });
    if (expected.hosts.length === 0) {
      return others.length >= expected.count && others.every(hasSaid);
    }
    const { present, missing } = expected.call(others);
    return missing.length === 0 && [...present.values()].flat().every(hasSaid);
  }

  async #waitForAnswers(since: number) {
    const { plan: { waitMs }, record, time } = this;
    const hardEnd = since + 2 * waitMs + pendingPatienceMs;
    for (;;) {
      const end = record.unverified > 0
        ? hardEnd
        : Math.min(hardEnd, this.#followUps.waitsUntil(since));
      if (this.#ended || time.monotonic() >= end || this.#isEnough()) return;
      await this.#bell.until(end);
      // Thousands of acks at once are looked at together.
      if (!this.#ended && time.monotonic() < end) await sleep(time.after, lookIntervalMs);
    }
  }
}

/** A sleep that others can end. */
class Bell {
  #controller = new AbortController();

  constructor(readonly time: Time) {}

  ring() {
    this.#controller.abort();
    this.#controller = new AbortController();
  }

  /** Waits for a moment of the monotonic clock, or until the bell rings; Infinity: for the bell. */
  async until(at: number) {
    const { signal } = this.#controller;
    // A process's first timer keeps it busy for 10 ms: none is set as long as nothing is due.
    if (at < Infinity) return await sleep(this.time.after, at - this.time.monotonic(), signal);
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  }
}

/**
 * Where an ack's source is reached: on each link that it may be on. A link-local one has lost its zone
 * on the way, and where two links have one network the routes know the way to only one of them.
 */
function sourceTargets(source: string, targets: readonly Target[]): Target[] {
  const address = parseAddress(source);
  const target = { address, named: false, networks: [] };
  const bound = targets.filter((one) =>
    one.source !== undefined && address !== null &&
    one.networks.some((network) => prefixContains(network, address))
  );
  const zones = address !== null && isLinkLocal(address)
    ? targets.filter(({ hostname }) => hostname.includes("%"))
      .flatMap(({ interfaceNames }) => interfaceNames)
    : [];
  const zoned = [...new Set(zones)].map((zone) => ({
    ...target,
    hostname: `${source}%${zone}`,
    interfaceNames: [zone],
  }));
  const all = [...bound, ...zoned];
  return all.length > 0 ? all : [{ ...target, hostname: source, interfaceNames: [] }];
}
