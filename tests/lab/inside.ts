/**
 * The part of the lab that runs inside its own namespaces, as the first process of its own process
 * namespace: when it ends, all that it started ends, and namespaces and mounts are gone. It ends when
 * its stdin does, so that nothing is left behind however its parent ends. The arguments are the
 * window in ms and the lanes' letters; the RunResult goes to stdout.
 */
import { messageOf } from "../../lib/errors.ts";
import { runLab } from "./failover.ts";
import { lanes } from "./lanes.ts";

async function endWithParent(): Promise<never> {
  const buffer = new Uint8Array(64);
  while (await Deno.stdin.read(buffer) !== null);
  Deno.exit(1);
}

endWithParent();
try {
  const [windowMs, ...ids] = Deno.args;
  const result = await runLab(Number(windowMs), lanes.filter(({ id }) => ids.includes(id)));
  const bytes = new TextEncoder().encode(JSON.stringify(result));
  for (let written = 0; written < bytes.length;) {
    written += Deno.stdout.writeSync(bytes.subarray(written));
  }
  Deno.exit(0);
} catch (error) {
  console.error(messageOf(error));
  Deno.exit(1);
}
