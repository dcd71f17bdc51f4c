/**
 * Real keepalived in many configurations, each failed over and back: every word of every report is
 * compared with each host's own kernel and with a ping.
 */
import { labLacks } from "./failover.ts";
import { checkKind } from "./keepalived_run.ts";
import { kinds } from "./keepalived_kinds.ts";

const ignore = await labLacks() !== null;

for (const kind of Object.keys(kinds).filter((name) => !/sample/.test(name))) {
  Deno.test(`no false word over a failover and back: ${kind}`, { ignore }, () => checkKind(kind));
}
