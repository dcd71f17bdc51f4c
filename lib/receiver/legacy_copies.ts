/**
 * The 2009 client sends its datagram five times, one second apart, and nothing in it tells a copy
 * from a new request. Copies from one source address within 5 s of the first are one request.
 */
import { type AddressPrefix, formatAddress } from "../wire/ip_address.ts";

const copiesWithinMs = 5_000;
/** Sources remembered at once; one more is a new request each time, which the flush gate bounds. */
const sourcesMost = 1_024;

/** True when a legacy datagram from this source, now (monotonic ms), repeats an earlier one. */
export type IsLegacyCopy = (source: AddressPrefix, now: number) => boolean;

/** A memory of legacy requests, empty. */
export function createLegacyCopies(): IsLegacyCopy {
  const firstAt = new Map<string, number>();
  return (source, now) => {
    for (const [text, first] of firstAt) {
      if (now - first < copiesWithinMs) break;
      firstAt.delete(text);
    }
    const text = formatAddress(source);
    if (firstAt.has(text)) return true;
    if (firstAt.size < sourcesMost) firstAt.set(text, now);
    return false;
  };
}
