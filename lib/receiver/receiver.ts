/**
 * What the service does with datagrams: receive, `accept`, flush through the gate, ack. A reload
 * changes rules and place; what was seen, a pending flush and acks on their way stay.
 */
import { systemReason } from "../errors.ts";
import type { Report } from "../log/events.ts";
import {
  type FlushScope,
  type FoundNeighbor,
  foundWithout,
  type NeighborCache,
  NeighborCacheError,
} from "../neighbors/neighbor_cache.ts";
import type { Time } from "../time.ts";
import { encodeAck, type FlushAck, type NeighborReport } from "../wire/ack.ts";
import {
  type AddressPrefix,
  formatAddress,
  isLinkLocal,
  isWholeAddress,
} from "../wire/addresses.ts";
import { printable } from "../text.ts";
import type { RouterKey, SyncSigner } from "../wire/keys.ts";
import { type FlushRequest, parseRequest } from "../wire/request.ts";
import {
  accept,
  type AcceptanceRules,
  type AcceptanceState,
  type CopiedRequest,
  createAcceptanceState,
  type NewRequest,
  type Refusal,
  type StaleRequest,
} from "./accept.ts";
import { Acknowledger, failedResult, LookUps, type ReceivedRequest, Reporter } from "./answers.ts";
import { Counters } from "./counters.ts";
import { type Flush, Flusher } from "./flusher.ts";
import { Listeners, type OpenSocket, type Peer, type Place } from "./listeners.ts";
import { createLimitedReport, type LimitedReport, RefusalLog } from "./limited_reports.ts";
import type { RequestResult, SeenRequest } from "./replay_window.ts";
import { Resolutions } from "./resolutions.ts";
import { parseSource } from "./sources.ts";

/** What the receiver works with; tests hand in their own. */
export interface ReceiverParts {
  readonly cache: NeighborCache;
  readonly report: Report;
  readonly time: Time;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly open: OpenSocket;
  /** The name in acks, as it is now. */
  readonly hostName: () => string;
  /** Signs the acks. */
  readonly signer: SyncSigner;
  /** 8 random bytes that tell this start of the service from all others. */
  readonly instance: Uint8Array;
  /** 32 random bytes that nobody else has. */
  readonly challengeSecret: Uint8Array;
  /** The zones of the host's links, as they are now: interface names or indexes. */
  readonly linkZones: () => readonly (string | number)[];
}

/** What a reload may change. */
export interface ReceiverRules extends AcceptanceRules {
  readonly addresses: readonly string[];
  /** 0: any. */
  readonly port: number;
  readonly holdDownMs: number;
}

/** A failed flush is tried again by a copy, no sooner than this after it was tried last. */
const retryPauseMs = 500;
const maxRetries = 8;
/** An address that nobody answers for is looked for no longer than this once the service is to end. */
const maxLastLookMs = 500;
/** Links that an ack to a link-local source goes out on. */
const maxAckedLinks = 8;
/** What a deletion of no address does. */
const nothing = { removed: 0, micros: 0 };

/** A running receiver. */
export class Receiver {
  readonly counters: Counters;
  readonly #parts: ReceiverParts;
  readonly #state: AcceptanceState;
  readonly #listeners: Listeners;
  readonly #flusher: Flusher;
  readonly #resolutions: Resolutions;
  readonly #reporter: Reporter;
  readonly #lookUps: LookUps;
  readonly #acknowledger: Acknowledger;
  readonly #refusals: RefusalLog;
  readonly #report: LimitedReport;
  /** What is being done for requests; `stop` waits for it. */
  readonly #working = new Set<Promise<void>>();
  #rules: ReceiverRules;
  #isStopping = false;

  /**
   * Opens the sockets, or throws if none can be opened, and starts to receive. Requests older than
   * this are stale.
   */
  constructor(rules: ReceiverRules, parts: ReceiverParts) {
    const { report, time } = parts;
    this.#rules = rules;
    this.#parts = parts;
    this.counters = new Counters(time.wall);
    this.#state = createAcceptanceState(time.wall(), parts.challengeSecret);
    this.#refusals = new RefusalLog(report, time);
    this.#report = createLimitedReport(report, time);
    this.#listeners = this.#listen();
    const shared = { ...parts, counters: this.counters };
    this.#resolutions = new Resolutions(shared);
    this.#reporter = new Reporter(shared);
    const started = (scope: FlushScope) => this.#resolutions.restart(scope);
    const removed = (addresses: readonly AddressPrefix[]) => this.#reporter.removed(addresses);
    this.#flusher = new Flusher({ ...shared, started, removed }, rules.holdDownMs);
    this.#lookUps = new LookUps(shared, this.#reporter);
    this.#acknowledger = new Acknowledger(shared, (bytes, to) => this.#send(bytes, to));
  }

  get addresses(): readonly string[] {
    return this.#listeners.addresses;
  }

  get port(): number {
    return this.#listeners.port;
  }

  /** Flushes everything through the gate; resolves when that flush has ended, well or not. */
  async flushAll(who: string): Promise<void> {
    await this.#flusher.request("all", who).ended;
  }

  /** Deletes the entries of whole addresses at once, whatever the gate says. */
  async deleteEntries(addresses: readonly AddressPrefix[], who: string): Promise<void> {
    await this.#flusher.delete(addresses, who);
  }

  /** New rules from the next datagram on; rejects, and keeps the old ones, if it can't listen. */
  async configure(rules: ReceiverRules): Promise<void> {
    const { addresses, port, holdDownMs } = rules;
    // Any port stays the one that it is.
    await this.#listeners.move(addresses, port === this.#rules.port ? this.port : port);
    this.#rules = rules;
    this.#flusher.setHoldDown(holdDownMs);
  }

  /** Opens the sockets at single addresses anew: after a change of the host's addresses. */
  renewSockets(): void {
    if (!this.#isStopping) this.#listeners.renew();
  }

  /** Looks at no more datagrams; does the pending flush, sends what waits, closes. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#flusher.finish();
    this.#resolutions.stop();
    const cancel = this.#parts.time.after(maxLastLookMs, () => this.#resolutions.giveUp());
    while (this.#working.size > 0) await Promise.all(this.#working);
    cancel();
    await this.#acknowledger.finish();
    this.#listeners.stop();
    this.#refusals.close();
  }

  /**
   * Sends an ack. The runtime drops the zone of a link-local source, so an ack to one goes out on
   * each of the host's links. Rejects if none could be sent.
   */
  async #send(bytes: Uint8Array, to: Peer): Promise<void> {
    const source = parseSource(to.hostname);
    const isAmbiguous = source !== null && isLinkLocal(source) && !to.hostname.includes("%");
    const zones = isAmbiguous ? this.#parts.linkZones().slice(0, maxAckedLinks) : [];
    if (zones.length === 0) return await this.#listeners.send(bytes, to);
    const hostnames = zones.map((zone) => `${to.hostname}%${zone}`);
    await Promise.any(hostnames.map((hostname) => this.#listeners.send(bytes, { ...to, hostname })))
      .catch(({ errors }: AggregateError) => {
        throw errors[0];
      });
  }

  #listen(): Listeners {
    const { report, time, open } = this.#parts;
    const { counters } = this;
    const about = ({ address, port }: Place, error: unknown) => ({
      address,
      port,
      error: systemReason(error),
    });
    const { addresses, port } = this.#rules;
    return new Listeners(
      addresses,
      port,
      {
        datagram: (bytes, from, local) => this.#onDatagram(bytes, from, local),
        receiveFailed: (error) => {
          counters.count("receiveErrors");
          this.#report("receiveFailed", () => ({ error: systemReason(error) }));
        },
        missing: (place, error) => report("addressMissing", about(place, error)),
        lost: (place, error) => report("socketLost", about(place, error)),
        opened({ address, port }) {
          counters.count("socketsReopened");
          report("socketReopened", { address, port });
        },
      },
      time,
      open,
    );
  }

  #onDatagram(bytes: Uint8Array, sender: Deno.NetAddr, local: string): void {
    const source = parseSource(sender.hostname);
    if (this.#isStopping || source === null) return;
    const verdict = accept(bytes, source, this.#rules, this.#state, this.#parts.time);
    if (verdict.kind === "refused") return this.#onRefused(verdict, source);
    const from = { ...sender, local };
    switch (verdict.kind) {
      case "legacy":
        this.counters.count("legacy");
        this.#flusher.request("all", `a legacy client (${formatAddress(source)})`);
        return;
      case "legacy copy":
        return this.counters.count("legacyCopies");
      case "stale":
        return this.#onStale(verdict, from);
      case "copy":
        return this.#onCopy(verdict, bytes, from, source);
      case "new":
        return this.#onNew(verdict, from, source);
    }
  }

  #onRefused(refusal: Refusal, source: AddressPrefix): void {
    const { reason, key } = refusal;
    this.counters.countRefused(reason);
    this.#refusals.refused(refusal, source);
    if (key === undefined) return;
    this.#report(
      "brokenRequest",
      () => ({ key: key.idText, source: formatAddress(source), reason }),
    );
  }

  #onStale({ request, seen, reason, wall }: StaleRequest, from: Peer): void {
    this.counters.countStale(reason, request.created);
    const who = () => senderText(request, seen.key, from);
    if (reason === "clock") {
      const seconds = Math.round((request.created - wall) / 1_000);
      this.#report("clockOffset", () => ({ who: who(), seconds }));
    } else this.#report("earlierRequest", () => ({ who: who(), than: earlierThan[reason] }));
    this.#acknowledge(seen, from);
  }

  #onCopy(
    { seen }: CopiedRequest,
    bytes: Uint8Array,
    from: Peer,
    source: AddressPrefix,
  ): void {
    this.counters.count("repeated");
    const isEnd = seen.result !== null && seen.result.status !== "pending";
    if (seen.isStale || isEnd && !this.#mayRetry(seen)) return this.#acknowledge(seen, from);
    seen.sources.wait(from);
    // Its bytes are those that were accepted, so they can be parsed.
    const request = isEnd ? parseRequest(bytes) : null;
    if (request === null) return this.#acknowledge(seen, from);
    seen.retries++;
    seen.result = null;
    this.#work(seen, { request, source, who: senderText(request, seen.key, from) });
  }

  #mayRetry({ result, retries, triedAt }: SeenRequest): boolean {
    return result?.status === "failed" && retries < maxRetries &&
      this.#parts.time.monotonic() - triedAt >= retryPauseMs;
  }

  #onNew(
    { request, seen, isRemembered }: NewRequest,
    from: Peer,
    source: AddressPrefix,
  ): void {
    const who = senderText(request, seen.key, from);
    seen.sources.wait(from);
    // The flush first: what is counted and logged can wait for it.
    this.#work(seen, { request, source, who });
    this.counters.countAccepted(request.created, seen.key.idText);
    this.#parts.report("accepted", { action: request.action, who });
    if (!isRemembered) {
      this.counters.count("unremembered");
      this.#report(
        "replayWindowFull",
        () => ({ capacity: this.#state.windows.of(seen.key).size, who }),
      );
    }
  }

  /** Does what a request asks for. Its flushes start before this returns, if the gate allows. */
  #work(seen: SeenRequest, received: ReceivedRequest): void {
    seen.triedAt = this.#parts.time.monotonic();
    const { action } = received.request;
    const working = action === "probe" ? this.#probe(seen, received) : this.#flush(seen, received);
    this.#working.add(working);
    working.finally(() => this.#working.delete(working));
  }

  /** A probe changes nothing, so it needs no gate. */
  async #probe(seen: SeenRequest, received: ReceivedRequest): Promise<void> {
    this.#setResult(seen, await this.#lookUps.look(received));
  }

  async #flush(seen: SeenRequest, { request, source, who }: ReceivedRequest): Promise<void> {
    const whole = request.addresses.filter(isWholeAddress);
    const flush = this.#requestFlush(request, who);
    const isHeldDown = flush !== null && !flush.hasStarted;
    const result = whole.length === 0 ? nothing : await this.#flusher.delete(whole, who);
    const [failure, deleted] = result instanceof NeighborCacheError
      ? [result, nothing]
      : [null, result];
    let found = await this.#resolutions.resolve(whole, source);
    if (isHeldDown) {
      // It could not be told for seconds that nothing was flushed; a copy tries again.
      if (failure !== null) return this.#setResult(seen, failedResult(failure));
      const reports = await this.#reports(request, found);
      if (!flush.hasStarted) {
        this.#setResult(seen, this.#pendingResult(flush, deleted.removed, reports));
      }
      await flush.ended;
      // The end of the service doesn't wait another second.
      if (!this.#isStopping) found = await this.#resolutions.resolve(whole, source);
    }
    const flushed = flush === null ? null : await flush.ended;
    if (flushed instanceof NeighborCacheError) return this.#setResult(seen, failedResult(flushed));
    // A flush of everything has done what the deletion could not.
    if (failure !== null && request.action !== "flush all") {
      return this.#setResult(seen, failedResult(failure));
    }
    this.#setResult(seen, {
      status: "flushed",
      error: 0,
      entries: (flushed?.removed ?? 0) + deleted.removed,
      micros: (flushed ?? deleted).micros,
      reports: await this.#reports(request, found),
    });
  }

  /** Asks the gate for what it limits; null if the request names whole addresses alone. */
  #requestFlush({ action, addresses }: FlushRequest, who: string): Flush | null {
    if (action === "flush all") return this.#flusher.request("all", who);
    const prefixes = addresses.filter((address) => !isWholeAddress(address));
    return prefixes.length === 0 ? null : this.#flusher.request(prefixes, who);
  }

  /** The reports a request asks for, from what was found at its whole addresses. */
  async #reports(
    { report, addresses }: FlushRequest,
    found: readonly FoundNeighbor[],
  ): Promise<NeighborReport[]> {
    if (!report) return [];
    const left = found.values();
    const all = addresses.map((address) =>
      isWholeAddress(address) && left.next().value || foundWithout("not concerned")
    );
    return await this.#reporter.reports(addresses, all, true);
  }

  /** The result until a held down flush has ended; `micros` is computed when an ack is sent. */
  #pendingResult(
    flush: Flush,
    entries: number,
    reports: readonly NeighborReport[],
  ): RequestResult {
    const microsUntilDue = () => {
      if (flush.hasStarted) return 0;
      return Math.max(0, this.#flusher.nextStart - this.#parts.time.monotonic()) * 1_000;
    };
    return {
      status: "pending",
      error: 0,
      entries,
      get micros() {
        return microsUntilDue();
      },
      reports,
    };
  }

  /** Keeps a request's result for its copies and acknowledges it to those who wait. */
  #setResult(seen: SeenRequest, result: RequestResult): void {
    seen.result = result;
    const isEnd = result.status !== "pending";
    for (const to of seen.sources.waiting(isEnd)) this.#acknowledge(seen, to);
  }

  /** Acknowledges what is known of a request now, if its sender asks for that. */
  #acknowledge(seen: SeenRequest, to: Peer): void {
    const { key, filter, result, isStale, sources, ackSpreadMs } = seen;
    const status = isStale ? "stale" : result?.status;
    if (!seen.acknowledge || status === undefined || !sources.mayAck(status, to)) return;
    this.#acknowledger.acknowledge(to, ackSpreadMs, () => {
      const ack = this.#ackOf(seen, result);
      return encodeAck(ack, key, filter, this.#parts.signer);
    });
  }

  /** The ack as it is sent now, a stale one without a result. */
  #ackOf({ id, key }: SeenRequest, result: RequestResult | null): FlushAck {
    const { time, instance, hostName } = this.#parts;
    const common = { clock: time.wall(), id, instance };
    if (result !== null) return { ...common, ...result, challenge: null, host: hostName() };
    const nothing = { error: 0, entries: 0, micros: 0, reports: [] };
    const challenge = this.#state.challenges.present(key.id, time.monotonic());
    return { ...common, ...nothing, status: "stale", challenge, host: "" };
  }
}

/** For the log: what a request was not created after. */
const earlierThan = {
  start: "this service's start",
  floor: "requests done and forgotten",
} as const;

/** Who asks, for the log: `r1 (192.0.2.1, key 3a9c5e34)`. */
function senderText(request: FlushRequest, key: RouterKey, from: Peer): string {
  return `${printable(request.sender) || "unnamed"} (${from.hostname}, key ${key.idText})`;
}
