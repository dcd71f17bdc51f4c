/** Random requests and acks for property tests. */
import fc from "fast-check";
import { ackStatuses, type FlushAck, neighborStates } from "../../../lib/wire/ack.ts";
import { addressBits, type AddressPrefix, networkOf } from "../../../lib/wire/addresses.ts";
import { actions, type FlushRequest } from "../../../lib/wire/request.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
/** As the format carries it whole: 64 bytes of UTF-8, and no NUL. */
const name = fc.string({ maxLength: 15, unit: "grapheme" })
  .filter((text) => !text.includes("\0") && new TextEncoder().encode(text).length <= 64);

/** Any prefix without host bits, both families. */
export const addressPrefix: fc.Arbitrary<AddressPrefix> = fc.constantFrom(4 as const, 6 as const)
  .chain((family) =>
    fc.tuple(bytes(16), fc.integer({ min: 0, max: addressBits(family) })).map(([raw, length]) =>
      networkOf({ family, length: addressBits(family), bytes: raw }, length)
    )
  );

/** Any request that the format can carry. */
export const flushRequest: fc.Arbitrary<FlushRequest> = fc.record({
  action: fc.constantFrom(...actions),
  acknowledge: fc.boolean(),
  report: fc.boolean(),
  created: fc.maxSafeNat(),
  id: bytes(16),
  ackSpreadMs: fc.nat(0xffff),
  challenge: bytes(8),
  sender: name,
  addresses: fc.array(addressPrefix, { minLength: 1, maxLength: 55 }),
}, { noNullPrototype: true }).map((request) => {
  const report = request.report && request.acknowledge;
  const listed = report || request.action === "flush listed";
  return { ...request, report, addresses: listed ? request.addresses : [] };
});

/** Any ack that may answer a request which asks for one. */
export function flushAck(request: FlushRequest): fc.Arbitrary<FlushAck> {
  const u32 = fc.nat(0xffff_ffff);
  const report = fc.tuple(fc.constantFrom(...neighborStates), bytes(6), fc.boolean(), fc.boolean())
    .map(([state, address, cached, gateway]) => ({
      state,
      cached,
      gateway,
      linkLayerAddress: state === "neighbor" || state === "permanent" ? address : new Uint8Array(6),
    }));
  const reportCount = request.report ? request.addresses.length : 0;
  const statuses = ackStatuses.filter((status) =>
    status === "stale" || status === "failed" ||
    (status === "alive") === (request.action === "probe")
  );
  return fc.record({
    status: fc.constantFrom(...statuses),
    clock: fc.nat(8.64e15),
    id: fc.constant(request.id),
    error: u32,
    entries: u32,
    micros: u32,
    challenge: bytes(8).filter((challenge) => challenge.some(Boolean)),
    host: name,
    instance: bytes(8),
    reports: fc.array(report, { minLength: reportCount, maxLength: reportCount }),
  }, { noNullPrototype: true }).map((ack): FlushAck => {
    if (ack.status === "stale") return { ...ack, entries: 0, micros: 0, host: "", reports: [] };
    return { ...ack, challenge: null, reports: ack.status === "failed" ? [] : ack.reports };
  });
}
