/** Records of the event log, built in memory. */
import fc from "fast-check";
import assert from "node:assert/strict";
import { toWide } from "../../../lib/win32/kernel32.ts";
import {
  decodeEventLogRecords,
  eventLogRecord as at,
  type StoredEvent,
} from "./event_log_record.ts";

/** A record as Windows lays it out: fixed part, source, computer, strings, and its length again. */
function encodeRecord(event: StoredEvent): Uint8Array {
  const bytesOf = (...texts: string[]) => texts.flatMap((text) => [...toBytes(text)]);
  const names = bytesOf(event.source, "HOST-1");
  // A SID of 12 bytes lies between names and strings, and data behind the strings.
  const stringOffset = at.size + names.length + 12;
  const body = [...names, ...new Uint8Array(12), ...bytesOf(...event.strings), 1, 2, 3];
  const length = (at.size + body.length + 4 + 3) & ~3;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  bytes.set(body, at.size);
  view.setUint32(at.length, length, true);
  view.setUint32(4, 0x654c664c, true); // "LfLe"
  view.setUint32(at.recordNumber, event.recordNumber, true);
  view.setUint32(at.timeGenerated, event.timeGenerated, true);
  view.setUint32(at.eventId, event.id, true);
  view.setUint16(at.eventType, event.type, true);
  view.setUint16(at.numStrings, event.strings.length, true);
  view.setUint32(at.stringOffset, stringOffset, true);
  view.setUint32(length - 4, length, true);
  return bytes;
}

function toBytes(text: string): Uint8Array {
  return new Uint8Array(toWide(text).buffer);
}

function joined(events: readonly StoredEvent[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(events.flatMap((event) => [...encodeRecord(event)]));
}

const started: StoredEvent = {
  recordNumber: 7,
  timeGenerated: 1_795_000_000,
  id: 1,
  type: 4,
  source: "ArpFlush",
  strings: ["Started version 0.1.0"],
};

Deno.test("EVENTLOGRECORD has its offsets", () => {
  assert.deepEqual(at, {
    length: 0,
    recordNumber: 8,
    timeGenerated: 12,
    eventId: 20,
    eventType: 24,
    numStrings: 26,
    stringOffset: 36,
    size: 56,
  });
});

Deno.test("decodeEventLogRecords() reads every record of a buffer", () => {
  const text = fc.string().map((text) => text.replaceAll("\0", "").toWellFormed());
  const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
  const event = fc.record({
    recordNumber: u32,
    timeGenerated: u32,
    id: u32,
    type: fc.constantFrom(1, 2, 4),
    source: text,
    strings: fc.array(text, { maxLength: 3 }),
  }, { noNullPrototype: true });
  fc.assert(fc.property(fc.array(event, { maxLength: 4 }), (events) => {
    assert.deepEqual(decodeEventLogRecords(joined(events)), events);
  }));
});

Deno.test("decodeEventLogRecords() refuses a record that leads out of its buffer", () => {
  const bytes = joined([started]);
  assert.throws(() => decodeEventLogRecords(bytes.subarray(0, bytes.length - 4)), RangeError);
  const tiny = bytes.slice();
  new DataView(tiny.buffer).setUint32(at.length, 0, true);
  assert.throws(() => decodeEventLogRecords(tiny), RangeError);
  const lost = bytes.slice();
  new DataView(lost.buffer).setUint32(at.stringOffset, bytes.length, true);
  assert.throws(() => decodeEventLogRecords(lost), RangeError);
});
