/** A host's turn: what is to be asked of it next, when, and by which frames. Pure. */
import type { AddressPrefix } from "../wire/addresses.ts";
import { arpRequest, broadcastMac, neighborSolicitation, solicitedNode } from "./frames.ts";
import type { Inquiry } from "./inquiry.ts";
import { witnessFrames, type WitnessIds } from "./witnesses.ts";

/** How often the silent are asked again: those that were known or named, and idle addresses. */
const retries = { known: 3, idle: 1 } as const;

/** An inquiry, and what is to be done about it next; times on the monotonic clock, Infinity: never. */
export interface AskItem {
  readonly inquiry: Inquiry;
  /** This router's own address for the control; null if it has none beside those in question. */
  control: AddressPrefix | null;
  /** How often it has been asked, or solicited twice. */
  tries: number;
  /** IPv6: the next solicitation is a try's second, together with the control's. */
  isSecond: boolean;
  /** The next request goes to the host alone, which has answered and proved nothing. */
  isUnicast: boolean;
  askAt: number;
  /** When it was asked last, and when this try began. */
  askedAt: number;
  triedAt: number;
  /** The number of the next step, and when it is due. */
  step: number;
  stepAt: number;
  /** It is there: the verdict comes after the last step. */
  isBegun: boolean;
  concludeAt: number;
  isTold: boolean;
  isWatched: boolean;
}

/** An item that may be asked from a time on. */
export function createItem(
  inquiry: Inquiry,
  control: AddressPrefix | null,
  askAt: number,
): AskItem {
  return {
    inquiry,
    control,
    tries: 0,
    isSecond: false,
    isUnicast: false,
    askAt,
    askedAt: Infinity,
    triedAt: Infinity,
    step: 0,
    stepAt: Infinity,
    isBegun: false,
    concludeAt: Infinity,
    isTold: false,
    isWatched: false,
  };
}

/** How often a host is asked. */
export function triesOf({ question, mac }: Inquiry): number {
  return 1 + (question.expected || mac !== null ? retries.known : retries.idle);
}

/** Whose turn it is: who was seen wrong or is half asked, the known, the named, the rest, second tries. */
export function rank({ inquiry, isSecond, isUnicast }: AskItem): number {
  if (isUnicast) return 4;
  if (inquiry.isSeenWrong || isSecond) return 0;
  return inquiry.mac !== null ? 1 : inquiry.question.expected ? 2 : 3;
}

/** The request, or the two solicitations, that are next for a host. */
export function requestFrames(
  item: AskItem,
  probeOnly: boolean,
  ids: WitnessIds,
): Uint8Array<ArrayBuffer>[] {
  const { inquiry, control, isSecond } = item;
  const { host, address } = inquiry.question;
  const { ownMac: sourceMac, mac } = inquiry;
  if (item.isUnicast) {
    if (mac === null) return [];
    return witnessFrames(
      "request",
      { sourceMac, destinationMac: mac, host, address },
      null,
      ids,
      item.step,
    );
  }
  // A drill asks from the router's own address, which tells where an unknown host is; so does the last
  // try for one that is expected: who answers that and not the address in question isn't off.
  const isLast = host.family === 4 && inquiry.question.expected && item.tries === retries.known;
  const senders = probeOnly ? [control] : isSecond || isLast ? [address, control] : [address];
  const node = solicitedNode(host);
  return senders.filter((from) => from !== null).map((from) =>
    host.family === 4
      ? arpRequest({
        sourceMac,
        destinationMac: broadcastMac,
        from,
        to: host,
      })
      : neighborSolicitation(
        { sourceMac, destinationMac: node.mac, from, to: node.to },
        host,
      )
  );
}
