/** docs/events.md, from the catalogue. */
import { events } from "../lib/log/events.ts";
import { wrap } from "./wrap.ts";

const introduction =
  "Everything the service says: in its log on stderr (text, or JSON lines with " +
  '`LogFormat = "json"`) and on Windows in the application event log, source ArpFlush. The number is ' +
  "the event id there; numbers are never used again for another meaning. `{names}` stand for " +
  "values, which the JSON lines also carry one by one. No event holds a key, a password or a " +
  "datagram's content.";

/** The page. */
export function eventsPage(): string {
  const kinds = Object.entries(events).toSorted(([, a], [, b]) => a.id - b.id);
  const sections = kinds.map(([name, { id, severity, text, advice }]) => {
    const lines = [`## ${id} ${name} (${severity})`, "", wrap(text, "> ")];
    if (advice !== "") lines.push("", wrap(advice));
    return lines.join("\n");
  });
  return `# Events

<!-- Made from lib/log/events.ts by docs/generate.ts; change it there. -->

${wrap(introduction)}

${sections.join("\n\n")}
`;
}
