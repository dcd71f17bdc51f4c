/** Who gets the acks of a request, and how many: whoever repeats it can forge any number of sources. */
import type { AckStatus } from "../wire/ack.ts";
import type { Peer } from "./listeners.ts";

/** Acks of each status to each source of one request. */
const maxAcks = 8;
/** Sources of one request that get acks. */
const maxAckedSources = 64;

/** An address and port that copies of a request came from, by one of our sockets. */
interface AckedSource {
  readonly to: Peer;
  readonly sent: Record<AckStatus, number>;
  /** It is told the result when there is one. */
  isWaiting: boolean;
}

/** Who gets the acks of one request: the first 64 sources, 8 acks of each status. */
export class AckSources {
  /** Null before the first: most requests of a flood never get that far. */
  #sources: Map<string, AckedSource> | null = null;

  /** Tells a source the next results. */
  wait(to: Peer): void {
    const source = this.#of(to);
    if (source !== null) source.isWaiting = true;
  }

  /** Those who wait; they go on waiting if the result isn't the end. */
  waiting(isEnd: boolean): Peer[] {
    const waiting = [...this.#sources?.values() ?? []].filter((source) => source.isWaiting);
    if (isEnd) { for (const source of waiting) source.isWaiting = false; }
    return waiting.map(({ to }) => to);
  }

  /** Counts an ack of this status to a source; false if it has had enough. */
  mayAck(status: AckStatus, to: Peer): boolean {
    const source = this.#of(to);
    if (source === null || source.sent[status] >= maxAcks) return false;
    source.sent[status]++;
    return true;
  }

  #of(to: Peer): AckedSource | null {
    this.#sources ??= new Map();
    const text = `${to.hostname} ${to.port} ${to.local}`;
    let source = this.#sources.get(text) ?? null;
    if (source === null && this.#sources.size < maxAckedSources) {
      const sent = { alive: 0, flushed: 0, stale: 0, failed: 0, pending: 0 };
      this.#sources.set(text, source = { to, sent, isWaiting: false });
    }
    return source;
  }
}
