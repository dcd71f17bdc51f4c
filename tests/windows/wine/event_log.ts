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

/** Takes what Wine says line by line; returns an event when a line completes one. */
function createEventParser(): (line: string) => LoggedEvent | null {
  let head: Pick<LoggedEvent, "id" | "type"> | null = null;
  return (line) => {
    const parts = call.exec(line);
    if (parts !== null) {
      head = { type: types[parseInt(parts[1], 16)], id: parseInt(parts[2], 16) };
    }
    const said = string.exec(line);
    if (said === null || head === null) return null;
    const event = { ...head, text: unescaped(said[1]) };
    head = null;
    return event;
  };
}

/** The events in what Wine said, in order. */
export function parseEventLog(text: string): LoggedEvent[] {
  const eventOf = createEventParser();
  return text.split(/\r?\n/).map(eventOf).filter((event) => event !== null);
}

/** A text as Wine's debug output writes it: backslash escapes, four hex digits for the rest. */
function unescaped(text: string): string {
  const named: Readonly<Record<string, string>> = { r: "\r", n: "\n", t: "\t" };
  return text.replace(
    /\\([0-9a-f]{4}|.)/g,
    (_, code) => code.length === 4 ? String.fromCharCode(parseInt(code, 16)) : named[code] ?? code,
  );
}
