/** The sender: asks hosts to flush their neighbor cache after a failover. See `--help`. */
import { main } from "./lib/sender/main.ts";

Deno.exit(await main(Deno.args));
