/**
 * Challenges: 8 bytes that a host tells a router whose clock it doesn't share, in a stale ack. The
 * router's repair carries them back, so it is for this host alone, and fresh by the host's own
 * monotonic clock: no signature ever covers a time that another machine named.
 */
import { challengeLength } from "../wire/datagram.ts";
import { type createMac, equalConstantTime } from "../wire/keys.ts";

const slotMs = 30_000;

/** The challenges of one start of one host. Times are monotonic, in ms. */
export interface Challenges {
  /** The present challenge for a router's key: 8 bytes, never all zero. */
  present(keyId: Uint8Array, now: number): Uint8Array;
  /** Whether bytes are the present challenge or the last one. Takes constant time. */
  isRight(challenge: Uint8Array, keyId: Uint8Array, now: number): boolean;
}

/** Challenges by a MAC of 32 random bytes that nobody else has and that live as long as the service. */
export function createChallenges(mac: ReturnType<typeof createMac>): Challenges {
  const slotBytes = new Uint8Array(8);
  const slotView = new DataView(slotBytes.buffer);

  function ofSlot(keyId: Uint8Array, slot: number): Uint8Array {
    slotView.setBigUint64(0, BigInt(slot));
    const challenge = mac(keyId, slotBytes).slice(0, challengeLength);
    // Zero means that a request answers no challenge.
    if (!challenge.some(Boolean)) challenge[challengeLength - 1] = 1;
    return challenge;
  }

  return {
    present: (keyId, now) => ofSlot(keyId, Math.floor(now / slotMs)),
    isRight(challenge, keyId, now) {
      const slot = Math.floor(now / slotMs);
      const isPresent = equalConstantTime(challenge, ofSlot(keyId, slot));
      const isLast = slot > 0 && equalConstantTime(challenge, ofSlot(keyId, slot - 1));
      return isPresent || isLast;
    },
  };
}
