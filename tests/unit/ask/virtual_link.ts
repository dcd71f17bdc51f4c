/**
 * A link on which time stands still: hosts that answer at once, by rules of their own. It is a stand-in
 * for a packet socket and the wire, of which tests/net has the real ones.
 */
import { ask, type AskerOptions } from "../../../lib/ask/asker.ts";
import {
  addressKey,
  arpRequest,
  type Heard,
  readFrame,
  type Way,
} from "../../../lib/ask/frames.ts";
import type { Question } from "../../../lib/ask/questions.ts";
import type { AskReport } from "../../../lib/ask/verdicts.ts";
import { parsePrefix, prefixOf } from "../../../lib/wire/addresses.ts";
import { sleep } from "../../../lib/time.ts";
import { createTestTime } from "../../support/test_time.ts";
import { interfaces } from "../sender/helpers.ts";

export const ownMac = "020000000001";
export const oldMac = "020000000002";

/** How a host behaves; it is at 02:00:00:00:01:XX with the last byte of its address. */
export interface VirtualHost {
  readonly address: string;
  /** Where it has the address in question. @default nowhere: it believes the first request */
  entry?: string;
  /** Its entry stays. */
  readonly permanent?: boolean;
  /** It answers no ARP. */
  readonly silent?: boolean;
  /** It answers no echo. */
  readonly firewalled?: boolean;
  /** How long its answer to the nth frame of a kind from an address takes; Infinity: it is lost. @default 0 */
  readonly answerMs?: (frame: SentFrame, n: number) => number;
}

/** A frame that the asker sent, and when, in ms from the start. */
export interface SentFrame {
  readonly at: number;
  readonly kind: string;
  readonly from: string;
  readonly to: string;
}

/** An IPv4 question about 192.0.2.1. */
export function question(host: string, changes: Partial<Question> = {}): Question {
  return {
    link: "e0",
    host: parsePrefix(host),
    address: parsePrefix("192.0.2.1"),
    linkLayerAddress: null,
    name: null,
    expected: false,
    ...changes,
  };
}

export const macOf = (host: string) =>
  `0200000001${Number(host.split(".")[3]).toString(16).padStart(2, "0")}`;

const held = (...addresses: readonly string[]) =>
  interfaces(
    ...addresses.map((one) => `${one.includes(" ") ? one : `e0 ${one}`} 02:00:00:00:00:01`),
  );

/** Asks on a link with these hosts; gives what was said and what was sent. */
export async function askOn(
  hosts: readonly VirtualHost[],
  questions: readonly Question[],
  changes: Partial<AskerOptions> & {
    /**
     * The addresses of the router at a time in ms from the start, on e0 unless an interface stands
     * before one. @default 192.0.2.1 and .2
     */
    readonly addressesAt?: (ms: number) => readonly string[];
    readonly signal?: (ms: number) => boolean;
    /** What a wait takes on a machine that is busy, in ms. @default as long as it is to take */
    readonly stretch?: (ms: number) => number;
    /** The link takes no frames. */
    readonly isDown?: boolean;
    /** Frames of somebody else's, whenever one is sent. @default none */
    readonly intrude?: (ms: number) => readonly Uint8Array[];
    /** What reading a frame takes, in ms. @default nothing */
    readonly readMs?: number;
  } = {},
): Promise<AskReport & { readonly sent: readonly SentFrame[]; readonly ms: number }> {
  const {
    addressesAt = () => ["192.0.2.2/24", "192.0.2.1/32"],
    signal,
    isDown,
    stretch = (ms) => ms,
    readMs = 0,
    intrude = () => [],
    ...options
  } = changes;
  const time = createTestTime();
  const start = time.monotonic();
  const sent: SentFrame[] = [];
  const incoming: { readonly at: number; readonly frame: Uint8Array }[] = [];
  const known = new Map(hosts.map((host) => [addressKey(question(host.address).host), host]));
  const aborting = new AbortController();
  const report = ask(questions, {
    interfaces: () => held(...addressesAt(time.monotonic() - start)),
    time,
    pace: 1_000,
    probeOnly: false,
    isTold: () => false,
    watch: () => {},
    openSocket: () => ({
      linkLayerAddress: ownMac,
      send(frame) {
        const ms = time.monotonic() - start;
        if (isDown) return false;
        const one = { at: ms, ...described(frame) };
        sent.push(one);
        incoming.push(...intrude(ms).map((frame) => ({ at: ms, frame })));
        const host = known.get(one.to);
        if (host === undefined) return true;
        const alike = sent.filter(({ kind, from, to }) =>
          kind === one.kind && from === one.from && to === one.to
        );
        const at = ms + (host.answerMs?.(one, alike.length) ?? 0);
        incoming.push(...answers(host, frame).map((frame) => ({ at, frame })));
        return true;
      },
      wait: (ms) => {
        if (signal?.(time.monotonic() - start)) aborting.abort();
        const next = Math.min(...incoming.map(({ at }) => at)) - (time.monotonic() - start);
        return sleep(time.after, Math.min(stretch(ms), Math.max(readMs, next)));
      },
      receive(take) {
        const [late = [], due = []] = [false, true].map((isDue) =>
          incoming.filter(({ at }) => isDue === at <= time.monotonic() - start)
            .toSorted((a, b) => a.at - b.at)
        );
        const now = due.splice(0, readMs > 0 ? 1 : Infinity);
        incoming.splice(0, Infinity, ...due, ...late);
        for (const { frame } of now) take(frame);
        return readMs === 0 || now.length === 0;
      },
      close: () => Promise.resolve(),
    }),
    ...options,
  }, aborting.signal);
  const ended = await time.until(report);
  return { ...ended, sent, ms: time.monotonic() - start };
}

function described(frame: Uint8Array): Omit<SentFrame, "at"> {
  if (frame[13] === 0x06) {
    const { kind, from, to } = readFrame(frame) as Heard;
    return { kind, from, to };
  }
  const [from, to] = [frame.subarray(26, 30).toHex(), frame.subarray(30, 34).toHex()];
  return { kind: { 1: "echo", 6: "tcp", 17: "udp" }[frame[23]] ?? "other", from, to };
}

/** "`from` is at the source's link-layer address": an answer to `to`. */
export function arpReply(way: Way): Uint8Array<ArrayBuffer> {
  const frame = arpRequest(way);
  frame[21] = 2;
  return frame;
}

/** What a host answers a frame with. */
function answers(host: VirtualHost, frame: Uint8Array): Uint8Array[] {
  const { kind, from } = described(frame);
  const isInQuestion = from === "c0000201";
  const mac = macOf(host.address);
  if (kind === "arp request") {
    if (host.silent) return [];
    if (isInQuestion && !host.permanent) host.entry = ownMac;
    const [own, to] = [parsePrefix(host.address), prefixOf(4, 32, ...frame.subarray(28, 32))];
    return [arpReply({ sourceMac: mac, destinationMac: ownMac, from: own, to })];
  }
  if (frame.subarray(0, 6).toHex() !== mac || kind !== "echo" || host.firewalled) return [];
  const reply = frame.slice();
  const next = isInQuestion ? host.entry ?? ownMac : ownMac;
  reply.setFromHex(next + mac);
  reply.set(frame.subarray(30, 34), 26);
  reply.set(frame.subarray(26, 30), 30);
  reply[34] = 0;
  return [reply];
}
