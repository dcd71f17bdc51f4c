/** A program for deno.exe: prints the events of the Application log as JSON, the oldest first. */
import { openEventLog } from "../../unit/win32/event_log_reader.ts";

using log = openEventLog("Application");
const events = [];
for (let read = log.readBack(); "events" in read; read = log.readBack()) {
  events.push(...read.events);
}
if (events.length !== log.count()) throw new Error(`${events.length} of ${log.count()} events`);
console.log(JSON.stringify(events.reverse()));
