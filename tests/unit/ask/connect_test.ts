import assert from "node:assert/strict";
import { askByConnecting } from "../../../lib/ask/connect.ts";
import { systemTime } from "../../../lib/time.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import { interfaces } from "../sender/helpers.ts";
import { question } from "./virtual_link.ts";

Deno.test("askByConnecting() takes a refusal for a proof, and connects from no address that has left", async () => {
  const mine = interfaces("lo 127.0.0.9/8 00:00:00:00:00:00");
  let looks = 0;
  const address = parsePrefix("127.0.0.9");
  const hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
  const { results } = await askByConnecting(
    hosts.map((host) => question(host, { link: "lo", address, expected: true })),
    {
      // It is looked up before, and again for each host.
      interfaces: () => ++looks <= 2 ? mine : [],
      time: systemTime,
      pace: 40,
      isTold: () => false,
    },
    AbortSignal.timeout(5_000),
  );
  assert.deepEqual(results.map(({ verdict }) => verdict), ["ok", "not asked", "not asked"]);
});
