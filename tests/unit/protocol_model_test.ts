/**
 * The real cores of sender and receiver on one virtual network, over random schedules: two routers,
 * three hosts, runs beside each other, datagrams that are lost, doubled, delayed and so reordered,
 * clocks that are stepped on either side, hosts that restart, reloads that take a router's key out,
 * flushes that fail. Signatures are stand-ins; everything else is what the programs run.
 *
 * ARPFLUSH_MODEL_RUNS and ARPFLUSH_MODEL_SEED set the number of schedules and the first one's seed.
 */
import fc from "fast-check";
import assert from "node:assert/strict";
import {
  type FlushOutcome,
  type FlushScope,
  type FoundNeighbor,
  type NeighborCache,
  NeighborCacheError,
} from "../../lib/neighbors/neighbor_cache.ts";
import { Receiver } from "../../lib/receiver/receiver.ts";
import type { OpenDatagramPort } from "../../lib/sender/datagram_port.ts";
import { exchange, type ExchangePlan, type ExchangeRecord } from "../../lib/sender/exchange.ts";
import { ExpectedHosts } from "../../lib/sender/expectation.ts";
import { compareAnswers, hostResult, hostStates } from "../../lib/sender/verdict.ts";
import { sleep, type Time } from "../../lib/time.ts";
import { type AckStatus, ackStatuses } from "../../lib/wire/ack.ts";
import {
  type AddressPrefix,
  formatPrefix,
  isWholeAddress,
  parsePrefix,
} from "../../lib/wire/addresses.ts";
import { createSyncSigner } from "../../lib/wire/ed25519_node.ts";
import { parseRouterKeys, type RouterKeys } from "../../lib/wire/keys.ts";
import {
  type FlushRequest,
  parseRequest,
  requestChallengeOf,
  requestCreatedOf,
  requestIdOf,
} from "../../lib/wire/request.ts";
import { createRouter } from "../support/datagrams.ts";
import { type Given, step } from "../support/schedules.ts";
import { createTestTime, settle, type TestTime } from "../support/test_time.ts";
import {
  covers,
  createQueueSocket,
  notingCache,
  testParts,
  testRules,
} from "./receiver/harness.ts";
import { foreignMac, isOwnMac, ownMac } from "./sender/answers.ts";
import { planned } from "./sender/virtual_run.ts";

const routers = [createRouter(1), createRouter(2)];
const hostKeys = [11, 12, 13].map((fill) =>
  createSyncSigner(new Uint8Array(32).fill(fill)).publicKey
);
/** What a router or host "signs" with: who it is. */
const signatureOf = (publicKey: Uint8Array) =>
  new Uint8Array(64).fill(publicKey[0]).fill(publicKey[1], 32);
const isSignature = (publicKey: Uint8Array, signature: Uint8Array) =>
  signature[0] === publicKey[0] && signature[63] === publicKey[1];

const port = 27_735;
const broadcast = "192.0.2.255";
const hostAddress = (n: number) => `192.0.2.${100 + n}`;
/** The addresses in question; a host may have a permanent entry for the first one. */
const [first, second] = [parsePrefix("192.0.2.1/32"), parsePrefix("192.0.2.2/32")];
const waitMs = 2_000;
/** Whether an ack so close to a run's end counts is nobody's promise. */
const endMs = 30;
/** A whole address is flushed at once: when those that are being deleted, 3 ms each, are done. */
const wholeAddressMs = 10;
/** Longer than a run can last: the last copy + 2 x the wait + 15 s. */
const longestRunMs = 4_000 + 2 * waitMs + 15_000 + 100;
const hosts = [0, 1, 2] as const;

/** What becomes of a datagram to or from a host. */
interface Fate {
  /** When its copies arrive, in ms; none: it is lost. */
  readonly delays: readonly number[];
}

const fate: fc.Arbitrary<Fate> = fc.oneof(
  { weight: 5, arbitrary: fc.constant({ delays: [1] }) },
  { weight: 3, arbitrary: fc.constant({ delays: [] }) },
  { weight: 2, arbitrary: fc.record({ delays: fc.tuple(fc.nat(2_500)) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      delays: fc.tuple(fc.constant(1), fc.constantFrom(2, 700, 5_000, 65_000, 125_000)),
    }),
  },
);

type Subject = typeof subjects[number];
const stepMs = fc.constantFrom(-3_600_000, -70_000, -1_000, 1_000, 70_000, 3_600_000);
const subjects = ["report", "report", "bare", "listed", "two requests", "probe"] as const;
const host = fc.nat(2);
const steps = fc.oneof(
  step("run", {
    router: fc.nat(1),
    subject: fc.constantFrom(...subjects),
    counts: fc.boolean(),
  }, 5),
  step("pass", { ms: fc.nat(4_000) }, 5),
  step("pass", { ms: fc.nat(100_000) }),
  step("step router", { router: fc.nat(1), ms: stepMs }),
  step("step host", { host, ms: stepMs }, 2),
  step("restart", { host }, 2),
  step("keys", { host, listed: fc.constantFrom([true, true], [true, false], [false, true]) }),
  step("failing", { host, failing: fc.boolean() }, 2),
);
type Step = Given<typeof steps>;

interface Schedule {
  readonly steps: readonly Step[];
  readonly fates: readonly Fate[];
  /** Hosts whose link loses and delays nothing. */
  readonly lossless: readonly boolean[];
  /** Hosts with a permanent entry for the first address, at a link-layer address of somebody else's. */
  readonly stuck: readonly boolean[];
}

const schedule: fc.Arbitrary<Schedule> = fc.record({
  steps: fc.array(steps, { minLength: 2, maxLength: 16, size: "max" }),
  fates: fc.array(fate, { minLength: 1, maxLength: 40, size: "max" }),
  lossless: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
  stuck: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
});

/** A clock of one machine: the common time with a wall clock of its own. */
function clockOf(time: TestTime): Time & { step(ms: number): void } {
  let offset = 0;
  const { monotonic, after } = time;
  return { monotonic, after, wall: () => time.wall() + offset, step: (ms) => void (offset += ms) };
}

/** One host: a receiver, another one after each restart. */
class Host {
  readonly clock: ReturnType<typeof clockOf>;
  readonly name: string;
  listed: readonly boolean[] = [true, true];
  failing = false;
  /** What this host did that it must not: an exception would not get through the receiver. */
  readonly faults: string[] = [];
  /** Monotonic times of what may keep a run from healing it. */
  readonly restartedAt: number[] = [];
  readonly troubledAt: number[] = [];
  /** By request id: in which starts it was accepted. */
  readonly accepted = new Map<string, number[]>();
  /** What it has to flush, and what it began to flush, in which start. */
  readonly #owed: { readonly at: number; readonly scope: FlushScope }[] = [];
  readonly #flushes: {
    readonly at: number;
    readonly scope: FlushScope;
    readonly start: number;
  }[] = [];
  #starts = 0;
  #startedWall = 0;
  #receiver!: Receiver;
  #give: (bytes: Uint8Array, from: Deno.NetAddr) => void = () => {};
  /** Challenges that this start has told. */
  #challenges = new Set<string>();

  constructor(
    readonly number: number,
    readonly time: TestTime,
    readonly isStuck: boolean,
    readonly send: (host: Host, bytes: Uint8Array, to: Deno.NetAddr) => void,
  ) {
    this.clock = clockOf(time);
    this.name = `host${number}`;
    this.start();
  }

  get instance(): number {
    return this.#starts;
  }

  receive(bytes: Uint8Array, from: Deno.NetAddr) {
    this.#give(bytes, from);
  }

  /** Ends without a word what ran, as a machine that loses its power does; starts it anew. */
  start() {
    const { clock, number, name } = this;
    const start = ++this.#starts;
    this.#startedWall = clock.wall();
    this.#challenges = new Set();
    let latest: Uint8Array | null = null;
    let acceptedBefore = 0;
    const queue = createQueueSocket((bytes, to) => {
      if (start !== this.#starts) return;
      if (bytes[6] === 3) this.#challenges.add(bytes.slice(40, 48).toHex());
      this.send(this, bytes, to as Deno.NetAddr);
    });
    const receive = async () => {
      // What came last has been judged.
      const count = receiver?.counters.counted.accepted ?? 0;
      if (latest !== null && count > acceptedBefore) this.#noteAccepted(latest, start);
      acceptedBefore = count;
      const datagram = await queue.socket.receive();
      latest = datagram[0];
      return datagram;
    };
    let receiver: Receiver | null = null;
    receiver = new Receiver({ ...testRules, ...this.#rules() }, {
      ...testParts,
      cache: this.#cache(),
      time: clock,
      open: () => ({ ...queue.socket, receive }),
      hostName: () => name,
      signer: { publicKey: hostKeys[number], sign: () => signatureOf(hostKeys[number]) },
      instance: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, start),
      challengeSecret: new Uint8Array(32).fill(16 * number + start),
    });
    this.#receiver = receiver;
    this.#give = queue.deliver;
    void receiver.flushAll("the start of the service");
  }

  async setKeys(listed: readonly boolean[]) {
    this.listed = listed;
    await this.#receiver.configure({ ...testRules, ...this.#rules() });
  }

  #rules() {
    const texts = routers.filter((_, i) => this.listed[i]).map(({ publicText }) => publicText);
    return { routerKeys: routerKeysOf(texts), isSignedBy };
  }

  /** No request is obeyed twice, but for a restart before its date, nor where it isn't for. */
  #noteAccepted(bytes: Uint8Array, start: number) {
    const id = requestIdOf(bytes).toHex();
    const challenge = requestChallengeOf(bytes);
    const router = routers.findIndex(({ key }) => key.id.toHex() === bytes.slice(8, 12).toHex());
    const must = (isSo: boolean, fault: string) => {
      if (!isSo) this.faults.push(`${this.name} obeyed ${id} ${fault}`);
    };
    const earlier = this.accepted.get(id) ?? [];
    must(this.listed[router], "of a router that isn't listed");
    must(!earlier.includes(start), "twice in one start");
    const isAgain = earlier.length > 0;
    if (challenge.some(Boolean)) {
      must(!isAgain, "again after a restart, which answers a challenge");
      must(this.#challenges.has(challenge.toHex()), "which isn't for it");
    }
    must(
      !isAgain || requestCreatedOf(bytes) > this.#startedWall,
      "again, which is older than a start",
    );
    this.accepted.set(id, [...earlier, start]);
    const { action, addresses } = parseRequest(bytes) ?? assert.fail("accepted what says nothing");
    if (action === "probe") return;
    const at = this.time.monotonic();
    for (const address of addresses) this.#owed.push({ at, scope: [address] });
    if (action === "flush all") this.#owed.push({ at, scope: "all" });
  }

  /** The gate's promise: a flush of all that was asked for, and no more of them than it allows. */
  checkFlushes() {
    for (const { at, scope } of this.#owed) {
      const limit = at + (isHeldDown(scope) ? testRules.holdDownMs : wholeAddressMs);
      const isKept = this.#flushes.some((flush) =>
        flush.at >= at && flush.at <= limit && covers(flush.scope, scope)
      );
      assert.ok(isKept, `${this.name} flushed nothing for ${scopeText(scope)}, asked for at ${at}`);
    }
    const gated = Map.groupBy(
      this.#flushes.filter(({ scope }) => isHeldDown(scope)),
      ({ start }) => start,
    );
    for (const flushes of gated.values()) {
      for (let i = 3; i < flushes.length; i++) {
        const ms = flushes[i].at - flushes[i - 3].at;
        assert.ok(ms >= testRules.holdDownMs, `${this.name} flushed four times in ${ms} ms`);
      }
    }
  }

  #cache(): NeighborCache {
    const { time } = this;
    const start = this.#starts;
    const find = (address: AddressPrefix): FoundNeighbor =>
      this.isStuck && formatPrefix(address) === formatPrefix(first)
        ? { state: "permanent", cached: true, linkLayerAddress: foreignMac }
        : { state: "neighbor", cached: false, linkLayerAddress: ownMac };
    const later = async (ms: number) => await sleep(time.after, ms);
    return {
      ...notingCache().cache,
      flush: async (scope): Promise<FlushOutcome> => {
        if (start === this.#starts) this.#flushes.push({ at: time.monotonic(), scope, start });
        await later(3);
        if (this.failing) throw new NeighborCacheError("Not permitted", 1);
        return { removed: 1, forgotten: [], micros: 3_000, notes: [] };
      },
      look: async (addresses) => {
        await later(2);
        return addresses.map(find);
      },
      resolve: async (addresses, _source, settled) => {
        await later(20);
        const found = addresses.map(find);
        found.forEach((one, i) => settled?.(i, one));
        return found;
      },
    };
  }
}

const scopeText = (scope: FlushScope) => scope === "all" ? "all" : scope.map(formatPrefix).join();
const isHeldDown = (scope: FlushScope) => scope === "all" || !scope.every(isWholeAddress);

const knownRouterKeys = new Map<string, RouterKeys>();
function routerKeysOf(texts: readonly string[]): RouterKeys {
  const name = texts.join();
  let keys = knownRouterKeys.get(name);
  if (keys === undefined) knownRouterKeys.set(name, keys = parseRouterKeys(texts));
  return keys;
}

function isSignedBy(
  { publicKey }: { readonly publicKey: Uint8Array },
  _message: Uint8Array,
  signature: Uint8Array,
): boolean {
  return isSignature(publicKey, signature);
}

/** An ack that reached a sender in time. */
interface Heard {
  readonly host: number;
  readonly instance: number;
  readonly request: number;
  readonly isRepair: boolean;
  readonly status: AckStatus;
  readonly at: number;
}

/** A run of a sender, and what the network saw of it. */
interface Run {
  readonly subject: Subject;
  readonly router: number;
  readonly begunAt: number;
  readonly heard: Heard[];
  endedAt: number;
  record: ExchangeRecord | null;
}

/** The requests of a run on a subject. */
function requestsOf(subject: Subject) {
  const bare = { report: false, addresses: [] };
  switch (subject) {
    case "report":
      return [planned({ addresses: [first, second] })];
    case "bare":
      return [planned(bare)];
    case "listed":
      return [planned({ action: "flush listed", addresses: [first] })];
    case "two requests":
      return [
        planned({ addresses: [first] }),
        planned({ action: "flush listed", addresses: [second] }),
      ];
    case "probe":
      return [planned({ action: "probe", addresses: [first, second] })];
  }
}

const counted = { runs: 0, repaired: 0, pending: 0, failed: 0, restarted: 0, sure: 0 };

/** Carries a schedule out and checks it. */
async function carryOut({ steps, fates, lossless, stuck }: Schedule): Promise<void> {
  const time = createTestTime();
  const clocks = routers.map(() => clockOf(time));
  const ports = new Map<
    number,
    (bytes: Uint8Array, by: Pick<Host, "number" | "instance">) => void
  >();
  let drawn = 0;
  const deliver = (host: number, run: () => void) => {
    const { delays } = lossless[host] ? { delays: [1] } : fates[drawn++ % fates.length];
    for (const ms of delays) time.after(ms, run);
  };
  const all = hosts.map((number) =>
    new Host(number, time, stuck[number], (host, bytes, to) => {
      const { instance } = host;
      deliver(number, () => {
        // The ack is the instance's that sent it, whatever runs now.
        ports.get(to.port)?.(bytes, { number, instance });
      });
    })
  );
  await settle();
  const running: Promise<void>[] = [];
  const runs: Run[] = [];

  function begin({ router: number, subject, counts }: Step & { kind: "run" }) {
    const { key } = routers[number];
    const requests = requestsOf(subject);
    const run: Run = {
      subject,
      router: number,
      begunAt: time.monotonic(),
      heard: [],
      endedAt: Infinity,
      record: null,
    };
    runs.push(run);
    const from = {
      transport: "udp",
      hostname: `192.0.2.${1 + number}`,
      port: 40_000 + runs.length,
    } as const;
    /** By request id: which request of the run, and whether it is a repair. */
    const known = new Map<string, { readonly request: number; readonly isRepair: boolean }>();
    const open: OpenDatagramPort = (receive) => {
      ports.set(from.port, (bytes, { number, instance }) => {
        const asked = known.get(requestIdOf(bytes).toHex());
        assert.ok(asked !== undefined, "an ack to nothing");
        const status = ackStatuses[bytes[6] - 1];
        run.heard.push({ host: number, instance, status, at: time.monotonic(), ...asked });
        receive(bytes, hostAddress(number), port);
      });
      return {
        send(bytes, { hostname }) {
          const meaning = parseRequest(bytes);
          assert.ok(meaning !== null);
          known.set(requestIdOf(bytes).toHex(), placeOf(meaning, requests));
          for (const host of all) {
            // Somebody on the link sends to all hosts what goes to one of them.
            const isMeant = hostname === broadcast || hostname === hostAddress(host.number);
            const receive = () => host.receive(bytes.slice(), from);
            if (isMeant) deliver(host.number, receive);
            else time.after(5, receive);
          }
          return Promise.resolve();
        },
        close: () => void ports.delete(from.port),
      };
    };
    const sign = () => Promise.resolve(signatureOf(key.publicKey));
    const plan: ExchangePlan = {
      content: { kind: "signed", key, sign, requests },
      udpPort: port,
      schedule: { count: 5, intervalMs: 1_000 },
      waitMs,
      expected: new ExpectedHosts([], counts ? hosts.length : null),
      wasSentTo: () => true,
      isOwnAddress: () => false,
      compare: (a, b, request) => compareAnswers(a, b, request, isOwnMac),
    };
    const verify = (publicKey: Uint8Array, _: Uint8Array, signature: Uint8Array) =>
      Promise.resolve(isSignature(publicKey, signature));
    running.push((async () => {
      run.record = await exchange(plan, open, clocks[number], verify);
      run.endedAt = time.monotonic();
    })());
  }

  for (const one of steps) {
    const host = "host" in one ? all[one.host] : null;
    if (one.kind === "run") begin(one);
    if (one.kind === "pass") await time.until(sleep(time.after, one.ms));
    if (one.kind === "step router") clocks[one.router].step(one.ms);
    if (host === null) continue;
    const now = time.monotonic();
    if (one.kind === "step host") host.clock.step(one.ms);
    if (one.kind === "restart") {
      host.restartedAt.push(now);
      host.start();
    }
    if (one.kind === "keys") {
      host.troubledAt.push(now);
      await host.setKeys(one.listed);
    }
    if (one.kind === "failing") {
      host.troubledAt.push(now);
      host.failing = one.failing;
    }
    await settle();
  }
  await time.until(Promise.all(running));
  for (const run of runs) for (const host of all) check(run, host, lossless[host.number]);
  // What was delayed for long is a copy, or stale, by now.
  await time.until(sleep(time.after, 140_000));
  assert.deepEqual(all.flatMap(({ faults }) => faults), []);
  for (const host of all) host.checkFlushes();
}

/** Which request of a run a datagram is, by what it asks for. */
function placeOf(
  { action, addresses, challenge }: FlushRequest,
  requests: ReturnType<typeof requestsOf>,
) {
  const text = (all: readonly AddressPrefix[]) => all.map(formatPrefix).join();
  const request = requests.findIndex(({ fields }) =>
    fields.action === action && text(fields.addresses) === text(addresses)
  );
  return { request, isRepair: challenge.some(Boolean) };
}

/** What an ack that says what is true amounts to. */
function truthOf(subject: Subject, request: number, { isStuck }: Host) {
  const asksFirst = subject !== "bare" && request === 0;
  if (isStuck && asksFirst) return "stuck";
  if (subject === "probe") return "alive";
  return subject === "bare" ? "flushed" : "healed";
}

/** What acks of one instance to one request amount to, whatever their order; null without any. */
function stateOf(subject: Subject, request: number, host: Host, heard: readonly Heard[]) {
  const acks = heard.filter((ack) => ack.request === request);
  const toRepair = acks.filter(({ isRepair }) => isRepair);
  const statuses = (toRepair.length > 0 ? toRepair : acks).map(({ status }) => status);
  // A pending ack has a report here wherever the request asks for one.
  const hasTruth = statuses.includes("alive") || statuses.includes("flushed") ||
    subject !== "bare" && statuses.includes("pending");
  if (hasTruth) return truthOf(subject, request, host);
  return (["failed", "pending", "stale"] as const).find((one) => statuses.includes(one)) ?? null;
}

/**
 * What the sender must say of a host, by the acks that came. The instance that is heard of last takes
 * the place of those before it, whose answers count until it has one of its own other than stale.
 */
function predicted({ subject }: Run, host: Host, heard: readonly Heard[]): string {
  const own = heard.filter((ack) => ack.host === host.number);
  if (own.length === 0) return "missing";
  const firstOf = (instance: number) => own.findIndex((ack) => ack.instance === instance);
  const instances = [...new Set(own.map(({ instance }) => instance))];
  const states: string[] = requestsOf(subject).map((_, request) => {
    let state: string | null = null;
    instances.forEach((instance, i) => {
      const end = i + 1 < instances.length ? firstOf(instances[i + 1]) : own.length;
      const counting = own.slice(0, end).filter((ack) => ack.instance === instance);
      const next = stateOf(subject, request, host, counting);
      if (state === null || next !== null && next !== "stale") state = next ?? state;
    });
    return state ?? "unverified";
  });
  return hostStates.find((state) => states.includes(state)) ?? "unverified";
}

function check(run: Run, host: Host, isLossless: boolean) {
  const { record, subject, begunAt, endedAt, heard } = run;
  assert.ok(record !== null);
  assert.ok(endedAt - begunAt <= longestRunMs, `a run of ${endedAt - begunAt} ms`);
  counted.runs++;
  const keyText = hostKeys[host.number].toHex();
  const found = record.hosts.all().filter(({ key }) => key === keyText);
  assert.ok(found.length <= 1, `${found.length} hosts of one key at one address`);
  const state = found.length === 0 ? "missing" : hostResult(found[0], record.hosts, isOwnMac).state;
  const during = (times: readonly number[]) =>
    times.some((at) => at >= begunAt - 1 && at <= endedAt);
  const own = heard.filter((ack) => ack.host === host.number);
  counted.repaired += own.some(({ isRepair }) => isRepair) ? 1 : 0;
  counted.pending += own.some(({ status }) => status === "pending") ? 1 : 0;
  counted.failed += own.some(({ status }) => status === "failed") ? 1 : 0;
  const truths = requestsOf(subject).map((_, request) => truthOf(subject, request, host));
  const truth = truths.includes("stuck") ? "stuck" : truths[0];
  const what = `${host.name}, run on ${subject} of ${run.router}, ` +
    JSON.stringify(
      own.map(({ status, instance, request, isRepair }) =>
        `${status} ${instance} ${request} ${isRepair}`
      ),
    );
  // Good is only what is true.
  if (["healed", "flushed", "alive"].includes(state)) assert.equal(state, truth, what);
  const inTime = heard.filter(({ at }) => at < endedAt - endMs);
  const may = [heard, inTime].map((acks) => predicted(run, host, acks));
  assert.ok(may.includes(state), `${state} instead of ${may}: ${what}`);
  if (during(host.restartedAt)) {
    counted.restarted++;
    return;
  }
  // Nothing was lost: the sender says what is true, however wrong the clocks are.
  const isTroubled = during(host.troubledAt) || host.failing || !host.listed[run.router] ||
    host.troubledAt.some((at) => at > endedAt);
  if (!isLossless || isTroubled) return;
  counted.sure++;
  assert.equal(state, truth, `nothing was lost: ${what}`);
}

const numRuns = Number(Deno.env.get("ARPFLUSH_MODEL_RUNS") ?? 150);
const seedText = Deno.env.get("ARPFLUSH_MODEL_SEED");

Deno.test(`sender and receiver keep their promises in ${numRuns} random schedules`, async () => {
  await fc.assert(fc.asyncProperty(schedule, carryOut), {
    numRuns,
    ...seedText === undefined ? {} : { seed: Number(seedText) },
  });
  for (const [kind, count] of Object.entries(counted)) {
    assert.ok(count > numRuns / 20, `only ${count} ${kind}: schedules too easy to prove anything`);
  }
  if (numRuns > 1_000) console.error(JSON.stringify(counted));
});
