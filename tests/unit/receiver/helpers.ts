/** What the tests of the receive path share: keys, requests, clocks in the test's hand. */
import type { EventName, EventValues, Report } from "../../../lib/log/events.ts";
import type { After, Clock } from "../../../lib/time.ts";
import { type AddressPrefix, parseAddress } from "../../../lib/wire/addresses.ts";
import { createKey, createKeyring, type Key } from "../../../lib/wire/keys.ts";
import { encodeRequest, type FlushRequest } from "../../../lib/wire/request.ts";

export const key: Key = createKey(new Uint8Array(32).fill(1));
export const otherKey: Key = createKey(new Uint8Array(32).fill(2));
export const keyring = createKeyring([key]);

/** A whole address; throws for a text that is none. */
export function address(text: string): AddressPrefix {
  const parsed = parseAddress(text);
  if (parsed === null) throw new Error(`"${text}" is no address`);
  return parsed;
}

let ids = 0;

/** A request to flush all, acknowledged, with an id of its own. */
export function request(changes: Partial<FlushRequest> = {}): FlushRequest {
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(0, ++ids);
  return {
    action: "flush all",
    acknowledge: true,
    report: false,
    created: Date.now(),
    id,
    ackSpreadMs: 0,
    sender: "r1",
    addresses: [],
    ...changes,
  };
}

/** Its bytes under the tests' key. */
export function signed(
  changes: Partial<FlushRequest> = {},
  signer = key,
): Uint8Array<ArrayBuffer> {
  return encodeRequest(request(changes), signer);
}

/** One thing a report said. */
export interface Said {
  readonly event: EventName;
  readonly values: EventValues;
}

/** A report that keeps what was said. */
export function keepReport(): { said: Said[]; report: Report; saidOf(event: EventName): Said[] } {
  const said: Said[] = [];
  return {
    said,
    report: (event, values = {}) => void said.push({ event, values }),
    saidOf: (event) => said.filter((one) => one.event === event),
  };
}

/** Clocks and timers that move only when told. */
export interface TestTime {
  readonly clock: Clock;
  readonly after: After;
  /** Lets time pass on both clocks, running the timers that fall due, in order. */
  pass(ms: number): void;
  /** Steps the wall clock alone. */
  step(ms: number): void;
  readonly timers: number;
}

/** A time that starts at 1,000,000 ms on the monotonic clock and at a given Unix time. */
export function testTime(startWall = 1_700_000_000_000): TestTime {
  let monotonic = 1_000_000;
  let wall = startWall;
  let timers: { at: number; run: () => void }[] = [];
  return {
    clock: { monotonic: () => monotonic, wall: () => wall },
    after(ms, run) {
      const timer = { at: monotonic + Math.max(0, ms), run };
      timers.push(timer);
      return () => void (timers = timers.filter((other) => other !== timer));
    },
    pass(ms) {
      const end = monotonic + ms;
      for (;;) {
        const next = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
        const to = next?.at ?? end;
        wall += to - monotonic;
        monotonic = to;
        if (next === undefined) return;
        timers = timers.filter((other) => other !== next);
        next.run();
      }
    },
    step: (ms) => void (wall += ms),
    get timers() {
      return timers.length;
    },
  };
}
