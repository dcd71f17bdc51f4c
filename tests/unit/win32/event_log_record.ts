/** EVENTLOGRECORD (winnt.h): how ReadEventLog gives events back. */
import { fromWide } from "../../../lib/win32/kernel32.ts";

/** Offsets and the size of the fixed part; source and computer follow it, each with its zero. */
export const eventLogRecord = {
  length: 0,
  recordNumber: 8,
  timeGenerated: 12,
  eventId: 20,
  eventType: 24,
  numStrings: 26,
  stringOffset: 36,
  size: 56,
} as const;

/** An event as it was stored. */
export interface StoredEvent {
  readonly recordNumber: number;
  /** Unix time in s. */
  readonly timeGenerated: number;
  /** The number that ReportEvent was given. */
  readonly id: number;
  /** EVENTLOG_…_TYPE */
  readonly type: number;
  readonly source: string;
  readonly strings: readonly string[];
}

/** The records that fill a buffer. Throws a RangeError when one leads out of it. */
export function decodeEventLogRecords(bytes: Uint8Array<ArrayBuffer>): StoredEvent[] {
  const found: StoredEvent[] = [];
  for (let at = 0; at < bytes.length;) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, bytes.length - at);
    const length = view.getUint32(eventLogRecord.length, true);
    if (length < eventLogRecord.size || length > bytes.length - at) {
      throw new RangeError(`A record of ${length} bytes at ${at} of ${bytes.length}`);
    }
    found.push(decodeRecord(bytes.slice(at, at + length)));
    at += length;
  }
  return found;
}

function decodeRecord(bytes: Uint8Array<ArrayBuffer>): StoredEvent {
  const view = new DataView(bytes.buffer);
  const strings: string[] = [];
  let at = view.getUint32(eventLogRecord.stringOffset, true);
  for (let i = view.getUint16(eventLogRecord.numStrings, true); i > 0; i--) {
    const text = wideAt(bytes, at);
    strings.push(text);
    at += 2 * (text.length + 1);
  }
  return {
    recordNumber: view.getUint32(eventLogRecord.recordNumber, true),
    timeGenerated: view.getUint32(eventLogRecord.timeGenerated, true),
    id: view.getUint32(eventLogRecord.eventId, true),
    type: view.getUint16(eventLogRecord.eventType, true),
    source: wideAt(bytes, eventLogRecord.size),
    strings,
  };
}

/** The text at an offset, up to its zero. */
function wideAt(bytes: Uint8Array<ArrayBuffer>, at: number): string {
  const units = new Uint16Array(bytes.buffer.slice(at, at + ((bytes.length - at) & ~1)));
  const end = units.indexOf(0);
  if (end < 0) throw new RangeError(`A text at ${at} of ${bytes.length} has no end`);
  return fromWide(units.subarray(0, end));
}
