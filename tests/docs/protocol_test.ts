import assert from "node:assert/strict";
import { decodeAck } from "../../lib/wire/ack.ts";
import { formatAddress, formatLinkLayerAddress } from "../../lib/wire/addresses.ts";
import { parseKeyFile } from "../../lib/wire/keys.ts";
import {
  parseRequest,
  requestHeaderFault,
  requestMacOf,
  verifyRequest,
} from "../../lib/wire/request.ts";

const page = Deno.readTextFileSync(new URL("../../docs/protocol.md", import.meta.url));

/** The bytes of a hex block: the digits of each line up to its #. */
function example(name: string): Uint8Array {
  const block = new RegExp("```hex " + name + "\n(.*?)```", "s").exec(page);
  assert.ok(block !== null);
  return Uint8Array.fromHex(block[1].replaceAll(/#.*$|\s/gm, ""));
}

const keyText = /Key \(base64\) `([^`]+)`/.exec(page)?.[1] ?? "";

Deno.test("docs/protocol.md: the worked request is genuine and means what it says", () => {
  const key = parseKeyFile(keyText).signing;
  assert.ok(page.includes(`whose id is \`${key.idText}\``));
  const bytes = example("request");
  assert.equal(requestHeaderFault(bytes), null);
  assert.ok(verifyRequest(bytes, key));
  const request = parseRequest(bytes);
  assert.ok(request !== null);
  assert.equal(request.action, "flush all");
  assert.equal(request.sender, "r2");
  assert.equal(request.created, 1700000000005);
  assert.deepEqual(request.addresses.map(formatAddress), ["192.0.2.1"]);
});

Deno.test("docs/protocol.md: the worked ack answers the worked request", () => {
  const key = parseKeyFile(keyText).signing;
  const request = example("request");
  const id = request.slice(20, 36);
  const ack = decodeAck(example("ack"), { key, id, mac: requestMacOf(request), reportCount: 1 });
  assert.ok(typeof ack === "object");
  assert.equal(ack.status, "flushed");
  assert.equal(ack.host, "SQL01");
  assert.equal(ack.entries, 14);
  assert.equal(ack.micros, 812);
  assert.equal(ack.clock, 1700000000500);
  assert.equal(formatLinkLayerAddress(ack.reports[0].linkLayerAddress), "02:00:00:00:00:02");
});
