/**
 * Stand-in for the event log that Wine lacks: what services give to Wine's real ReportEventW is put
 * into a document as wevtutil.exe prints one, which the double of wevtutil.exe reads.
 */
import { type LoggedEvent, parseEventLog } from "../wine/event_log.ts";
import { windowsPath, type WineSession } from "../wine/session.ts";

/** One that is kept up to date until it is disposed of. */
export interface EventLogStandIn extends AsyncDisposable {
  /** For the environment of install.ps1. */
  readonly environment: Readonly<Record<string, string>>;
}

interface DatedEvent extends LoggedEvent {
  /** When it was seen, at most some ms after it was reported. */
  readonly time: string;
}

const lookEveryMillis = 20;
const shown = 5;
const levels = { error: 2, warning: 3, information: 4 };

/** Starts one. */
export function openEventLog({ shared }: WineSession): EventLogStandIn {
  const document = `${shared}/events.xml`;
  const seen: DatedEvent[] = [];
  let isOpen = true;

  async function keep(): Promise<void> {
    while (isOpen) {
      const all = parseEventLog(await Deno.readTextFile(`${shared}/wine.log`));
      if (all.length > seen.length) {
        const time = new Date().toISOString().replace("Z", "0000Z");
        seen.push(...all.slice(seen.length).map((event) => ({ ...event, time })));
        await Deno.writeTextFile(`${document}.new`, toXml(seen.slice(-shown).reverse()));
        await Deno.rename(`${document}.new`, document);
      }
      await new Promise((resolve) => setTimeout(resolve, lookEveryMillis));
    }
  }

  const kept = keep();
  return {
    environment: { ARPFLUSH_EVENTS: windowsPath("/shared/events.xml") },
    async [Symbol.asyncDispose]() {
      isOpen = false;
      await kept;
    },
  };
}

function toXml(events: readonly DatedEvent[]): string {
  return `<?xml version="1.0"?>\n<Events>${events.map(eventXml).join("")}</Events>\n`;
}

function eventXml({ id, type, text, time }: DatedEvent): string {
  return `
<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>` +
    `<Provider Name='ArpFlush'/><EventID Qualifiers='0'>${id}</EventID>` +
    `<Level>${levels[type]}</Level><TimeCreated SystemTime='${time}'/></System>` +
    `<EventData><Data>${escaped(text)}</Data></EventData></Event>`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("\r", "&#13;");
}
