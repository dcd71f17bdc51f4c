/**
 * Decides when a router's links get a request. keepalived's lines are the bell, the addresses that
 * this machine holds are the truth: a link that got one gets a request, at once and then at most one
 * in 250 ms; a run that asks about an address that has left ends. Time, the look at the links, and
 * the runs are handed in.
 */
import { messageOf } from "../errors.ts";
import { AddressesLeft, joinedReason } from "../sender/run.ts";
import { listText, printable } from "../text.ts";
import { type Time, within } from "../time.ts";
import { addressChanges, type Link, type Links } from "./links.ts";
import type { NotifyLine } from "./notify_fifo.ts";

/** The shortest time from one request on a link to the next while lines come. */
const requestIntervalMs = 250;
/** A look takes some ms, and lines come faster: those that come in between are acted on together. */
const lookIntervalMs = 15;
/** So long after the last line all has come that was to come. */
const quietMs = 100;
/** The shortest time from one request after MASTER_RX_LOWER_PRI to the next on a link. */
const lowerPriIntervalMs = 5_000;
/** A line so soon after a change is about it: a later instance's address may be there before its line. */
const recentMs = 1_000;
/** keepalived has at most 255 virtual routers for each family on an interface. */
const maxInstances = 4_096;
const stopping = "arpflush is stopping";
const came = "An address came";
/** Addresses that a line names before it counts the rest. */
const maxNamed = 3;

/** What a follower works with. */
export interface FollowerParts {
  readonly time: Time;
  readonly readLinks: () => Links;
  /** A run is taken over by the next on its link if that begins so soon after it: one that asks more. */
  readonly joinMs: number;
  /** Has a link flushed and reports it, until the signal ends it. */
  readonly flush: (link: Link, signal: AbortSignal) => Promise<void>;
  /** Probes links and reports it; resolves with what is wrong, in words, by the names of links. */
  readonly probe: (links: Links, signal: AbortSignal) => Promise<ReadonlyMap<string, string>>;
  readonly log: (severity: "info" | "warning" | "error", text: string) => void;
}

interface RunningFlush {
  readonly link: Link;
  /** When the first of the runs began that became this one. */
  readonly since: number;
  /** The addresses that came and that it and those before it were made for. */
  readonly came: ReadonlySet<string>;
  readonly ending: AbortController;
  ended: Promise<void>;
}

/** What is known of a link, by its name: it outlasts the link's addresses. */
class LinkState {
  readonly running = new Set<RunningFlush>();
  /** Addresses that came, and that no flush has been made for yet. */
  readonly came = new Set<string>();
  /** Why a request is to go out; null if none is. */
  wanted: string | null = null;
  /** Not before this. */
  notBefore = -Infinity;
  /** Only if addresses of an ended run are still there by then: others may leave with the first. */
  isForRest = false;
  requestAt = -Infinity;
  lowerPriAt = -Infinity;
  changedAt = -Infinity;
  cancel = () => {};
}

interface Instance {
  state: NotifyLine["state"];
  /** Names of the links that its addresses came to; empty if it isn't known. */
  links: ReadonlySet<string>;
  /** When it was last told to be anything but master. */
  leftAt: number;
}

/** Follows one router's states. */
export class Follower {
  readonly #parts: FollowerParts;
  readonly #states = new Map<string, LinkState>();
  readonly #instances = new Map<string, Instance>();
  #links: Links;
  /** Lines that are still to be acted on; a pipe holds few thousand. */
  readonly #lines: NotifyLine[] = [];
  #lineAt = -Infinity;
  #lookAt = -Infinity;
  #cancelLook = () => {};
  #cancelQuiet = () => {};
  /** Ends the probe, and the following. */
  readonly #ending = new AbortController();

  /** A follower that takes the addresses as they are now for those that were always there. */
  constructor(parts: FollowerParts) {
    this.#parts = parts;
    this.#links = parts.readLinks();
  }

  /**
   * Has all links probed, and flushed where something is wrong: addresses may have come while nobody
   * followed.
   */
  async begin(): Promise<void> {
    const { probe, log, time } = this.#parts;
    const since = time.monotonic();
    try {
      for (const [name, what] of await probe(this.#links, this.#ending.signal)) {
        const isFlushed = this.#stateOf(name).requestAt >= since;
        if (this.#ending.signal.aborted || isFlushed || !this.#links.has(name)) continue;
        log("warning", `At the start something is wrong on ${linkText(name)}: ${what}`);
        this.#want(name, "What the probe at the start found");
      }
    } catch (error) {
      log("error", `Cannot probe: ${messageOf(error)}`);
    }
  }

  /**
   * Takes in lines that were read at once, in their order; none: something may have changed all the
   * same.
   */
  note(lines: readonly NotifyLine[]): void {
    const { time } = this.#parts;
    this.#lineAt = time.monotonic();
    this.#lines.push(...lines);
    this.#cancelLook();
    const waitMs = this.#lookAt + lookIntervalMs - this.#lineAt;
    if (waitMs > 0) this.#cancelLook = time.after(waitMs, () => this.#attend());
    else this.#attend();
  }

  /** Ends all runs; nothing begins any more. Waits for their reports, but not longer than `maxMs`. */
  async stop(maxMs: number): Promise<void> {
    this.#ending.abort(stopping);
    this.#cancelQuiet();
    this.#cancelLook();
    const states = [...this.#states.values()];
    for (const { cancel } of states) cancel();
    const all = states.flatMap(({ running }) => [...running]);
    for (const { ending } of all) ending.abort(stopping);
    await within(this.#parts.time.after, maxMs, Promise.all(all.map(({ ended }) => ended)), null);
  }

  /** Looks, and acts on the lines that have come since the last look. */
  #attend() {
    const lines = this.#lines.splice(0);
    const abouts = lines.map(({ type, name, state }) => `${type} ${printable(name)} is ${state}`);
    const changed = this.#look(abouts[0] ?? came);
    for (const [i, line] of lines.entries()) {
      if (line.type === "INSTANCE") this.#noteInstance(line, abouts[i], changed);
    }
    this.#lookWhenQuiet();
  }

  #noteInstance({ name, state }: NotifyLine, about: string, changed: ReadonlySet<string>) {
    const before = this.#instances.get(name);
    const instance = before ?? { state, links: new Set<string>(), leftAt: -Infinity };
    const was = before?.state;
    if (state !== "MASTER_RX_LOWER_PRI") instance.state = state;
    if (!state.startsWith("MASTER")) instance.leftAt = this.#parts.time.monotonic();
    if (before === undefined && this.#instances.size < maxInstances) {
      this.#instances.set(name, instance);
    }
    const links = changed.size > 0 ? changed : this.#changedLately();
    if (state === "MASTER" && was !== "MASTER") {
      const hasCome = [...links].some((one) => this.#stateOf(one).changedAt > instance.leftAt);
      if (links.size > 0) instance.links = links;
      // The addresses were there before: left behind, held by something else, or away between two looks.
      if (!hasCome) this.#wantOn(instance, (link) => this.#want(link, about));
    } else if (state === "MASTER_RX_LOWER_PRI") {
      // Both were master: hosts may have the other one's link-layer address, and no address changes.
      this.#wantOn(instance, (link) => this.#wantAfterLowerPri(link, about));
    } else if (state === "BACKUP" && was === "MASTER" && links.size > 0) {
      // After a time with two masters this router may be the only one that knows: hosts that have its
      // link-layer address are to forget it.
      instance.links = links;
      this.#wantOn(instance, (link) => this.#want(link, about));
    }
  }

  /** Calls for each link that an instance is known to be on; for all if none is known. */
  #wantOn({ links }: Instance, want: (link: string) => void) {
    const known = [...links].filter((name) => this.#links.has(name));
    for (const name of known.length > 0 ? known : this.#links.keys()) want(name);
  }

  #changedLately(): ReadonlySet<string> {
    const since = this.#parts.time.monotonic() - recentMs;
    const lately = [...this.#states].filter(([, { changedAt }]) => changedAt >= since);
    return new Set(lately.map(([name]) => name));
  }

  /** Compares the addresses with those of the last look; gives the names of links with a change. */
  #look(about: string): ReadonlySet<string> {
    this.#lookAt = this.#parts.time.monotonic();
    const before = this.#links;
    this.#links = this.#parts.readLinks();
    const changes = addressChanges(before, this.#links);
    for (const { link, came, went } of changes) {
      const state = this.#stateOf(link.name);
      state.changedAt = this.#parts.time.monotonic();
      const left = this.#endRunsAbout(link, went, state);
      for (const address of went) state.came.delete(address);
      for (const address of came) state.came.add(address);
      if (came.length > 0) this.#want(link.name, about);
      else if (left !== null) {
        this.#want(link.name, left, { notBefore: state.changedAt + quietMs, isForRest: true });
      }
    }
    return new Set(changes.map(({ link }) => link.name));
  }

  /**
   * Ends the runs that ask about addresses that have left. Gives the reason if some that they were made
   * for are still there, which are to be asked about anew.
   */
  #endRunsAbout(link: Link, went: readonly string[], state: LinkState): string | null {
    // A run that began before an address came may have made its plan after that.
    const isAsked = ({ link: { addresses }, ending }: RunningFlush) =>
      !ending.signal.aborted &&
      went.some((address) => addresses.has(address) || state.came.has(address));
    const ended = [...state.running].filter(isAsked);
    const verb = went.length === 1 ? "has" : "have";
    const left = `${listText(went, maxNamed)} ${verb} left ${linkText(link.name)}`;
    for (const { ending } of ended) ending.abort(new AddressesLeft(left));
    const held = this.#links.get(link.name)?.addresses;
    const rest = ended.flatMap(({ came }) => [...came]).filter((address) => held?.has(address));
    for (const address of rest) state.came.add(address);
    return rest.length > 0 ? left : null;
  }

  /** Looks again when no line has come for a while: an address may come or leave after its line. */
  #lookWhenQuiet() {
    this.#cancelQuiet();
    this.#cancelQuiet = this.#parts.time.after(quietMs, () => void this.#look(came));
    for (const [name, { wanted }] of this.#states) if (wanted !== null) this.#schedule(name);
  }

  #stateOf(name: string): LinkState {
    const state = this.#states.get(name) ?? new LinkState();
    this.#states.set(name, state);
    return state;
  }

  #want(name: string, why: string, { notBefore = -Infinity, isForRest = false } = {}) {
    const state = this.#stateOf(name);
    state.isForRest = isForRest && (state.wanted === null || state.isForRest);
    state.notBefore = state.wanted === null ? notBefore : Math.min(state.notBefore, notBefore);
    state.wanted ??= why;
    this.#schedule(name);
  }

  #wantAfterLowerPri(name: string, why: string) {
    const state = this.#stateOf(name);
    const at = Math.max(state.lowerPriAt + lowerPriIntervalMs, this.#parts.time.monotonic());
    if (state.wanted === null) state.lowerPriAt = at;
    this.#want(name, why, { notBefore: at });
  }

  #schedule(name: string) {
    const { time } = this.#parts;
    const state = this.#stateOf(name);
    state.cancel();
    if (this.#ending.signal.aborted) return;
    const now = time.monotonic();
    const next = state.requestAt + requestIntervalMs;
    const due = next <= now ? now : Math.min(next, Math.max(now, this.#lineAt + quietMs));
    const at = Math.max(due, state.notBefore);
    if (at <= now) this.#request(name);
    else state.cancel = time.after(at - now, () => this.#request(name));
  }

  #request(name: string) {
    const state = this.#stateOf(name);
    const link = this.#links.get(name);
    const why = state.wanted ?? "";
    const came = new Set(state.came);
    state.wanted = null;
    state.came.clear();
    if (link === undefined || state.isForRest && came.size === 0) return;
    state.requestAt = this.#parts.time.monotonic();
    const cause = came.size > 0 ? `, which has ${listText(came, maxNamed)} now` : "";
    this.#parts.log("info", `${why}: a flush on ${linkText(name)}${cause}`);
    this.#start(link, came);
  }

  #start(link: Link, came: ReadonlySet<string>) {
    const now = this.#parts.time.monotonic();
    const { running } = this.#stateOf(link.name);
    const joined = [...running].filter(({ since, ending }) =>
      !ending.signal.aborted && now - since < this.#parts.joinMs
    );
    const started: RunningFlush = {
      link,
      since: Math.min(now, ...joined.map(({ since }) => since)),
      came: new Set([...came, ...joined.flatMap((one) => [...one.came])]),
      ending: new AbortController(),
      ended: Promise.resolve(),
    };
    for (const one of joined) one.ending.abort(joinedReason);
    running.add(started);
    started.ended = this.#carryOut(started).finally(() => running.delete(started));
  }

  async #carryOut({ link, ending }: RunningFlush) {
    try {
      await this.#parts.flush(link, ending.signal);
    } catch (error) {
      this.#parts.log("error", `Cannot flush on ${linkText(link.name)}: ${messageOf(error)}`);
    }
  }
}

function linkText(name: string): string {
  return name || "the named hosts' link";
}
