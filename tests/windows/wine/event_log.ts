/**
 * What services wrote to the event log. Wine keeps no log that could be read back: its ReportEventW
 * says on its debug channel what it was given, and that is what is read here.
 */

/** One event. */
export interface LoggedEvent {
  readonly id: number;
  readonly type: "error" | "warning" | "information";
  readonly text: string;
}

const types: Readonly<Record<number, LoggedEvent["type"]>> = {
  1: "error",
  2: "warning",
  4: "information",
};

const call = /:ReportEventW \([^,]+,0x([0-9a-f]+),0x[0-9a-f]+,0x([0-9a-f]+),/;
const string = /:eventlog:ReportEventW L"(.*)"(?:\.\.\.)?$/;

/** The events in what Wine said, in order. */
export function parseEventLog(text: string): LoggedEvent[] {
  const events: LoggedEvent[] = [];
  let head: Pick<LoggedEvent, "id" | "type"> | null = null;
  for (const line of text.split(/\r?\n/)) {
    const [, type, id] = call.exec(line) ?? [];
    if (id !== undefined) head = { type: types[parseInt(type, 16)], id: parseInt(id, 16) };
    const [, said] = string.exec(line) ?? [];
    if (said === undefined || head === null) continue;
    events.push({ ...head, text: unescaped(said) });
    head = null;
  }
  return events;
}

/** A text as Wine's debug output writes it: backslash escapes, four hex digits for the rest. */
function unescaped(text: string): string {
  const named: Readonly<Record<string, string>> = { r: "\r", n: "\n", t: "\t" };
  return text.replace(
    /\\([0-9a-f]{4}|.)/g,
    (_, code) => code.length === 4 ? String.fromCharCode(parseInt(code, 16)) : named[code] ?? code,
  );
}
