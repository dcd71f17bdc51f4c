import assert from "node:assert/strict";
import { AckSources } from "../../../lib/receiver/ack_sources.ts";
import type { Peer } from "../../../lib/receiver/listeners.ts";

const to: Peer = { transport: "udp", hostname: "192.0.2.1", port: 5, local: "192.0.2.9" };

Deno.test("AckSources give each of 64 sources 8 acks of each status", () => {
  const sources = new AckSources();
  const places = Array.from({ length: 70 }, (_, i) => ({ ...to, port: 1_000 + i }));
  for (const status of ["stale", "flushed"] as const) {
    const counts = places.map((place) => {
      let count = 0;
      while (count < 20 && sources.mayAck(status, place)) count++;
      return count;
    });
    assert.deepEqual(counts, [...Array(64).fill(8), ...Array(6).fill(0)]);
  }
  assert.ok(sources.mayAck("pending", { ...places[0], hostname: to.hostname }));
  assert.ok(!sources.mayAck("pending", { ...places[0], hostname: "192.0.2.77" }));
});

Deno.test("AckSources tell who waits, each once, until the end", () => {
  const sources = new AckSources();
  assert.ok(sources.mayAck("stale", to));
  assert.deepEqual(sources.waiting(true), []);
  const other = { ...to, port: 6 };
  for (const place of [to, other, to]) sources.wait(place);
  assert.deepEqual(sources.waiting(false), [to, other]);
  assert.deepEqual(sources.waiting(true), [to, other]);
  assert.deepEqual(sources.waiting(true), []);
  for (let port = 0; port < 100; port++) sources.wait({ ...to, port });
  assert.equal(sources.waiting(true).length, 64);
});
