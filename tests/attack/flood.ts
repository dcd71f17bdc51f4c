/** Sends datagrams as fast as the service takes them, and never more than the kernel can hold. */
import type { GenuineSender } from "./probes.ts";
import type { Source } from "./wire_tap.ts";

/** A datagram and who sends it. */
export interface Shot {
  readonly bytes: Uint8Array;
  readonly source: Source;
}

/** Less than what a UDP socket holds by default on Linux (212,992), which counts each in full pages. */
const volleyMost = { datagrams: 64, bytes: 140_000 } as const;
/** What the kernel counts for a datagram beside its bytes, at most twice. */
const overhead = 1_280;

/** Sends all; when it resolves the service has looked at each of them. Gives their number. */
export async function flood(shots: Iterable<Shot>, genuine: GenuineSender): Promise<number> {
  let volley: Promise<void>[] = [];
  let bytes = 0;
  let sent = 0;
  async function fire(): Promise<void> {
    if (volley.length === 0) return;
    await Promise.all(volley);
    await genuine.pass();
    volley = [];
    bytes = 0;
  }
  for (const shot of shots) {
    const cost = overhead + 2 * shot.bytes.length;
    if (volley.length >= volleyMost.datagrams || bytes + cost > volleyMost.bytes) await fire();
    bytes += cost;
    sent++;
    volley.push(shot.source.send(shot.bytes));
  }
  await fire();
  return sent;
}
