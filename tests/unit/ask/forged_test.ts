/** What others put on the link: nothing throws, and nobody is called healed for it. */
import fc from "fast-check";
import assert from "node:assert/strict";
import { echoRequest, type Heard, tcpFlags, tcpSegment } from "../../../lib/ask/frames.ts";
import {
  answeredStep,
  createWitnessIds,
  type Witness,
  witnessFrames,
} from "../../../lib/ask/witnesses.ts";
import { arpReply, askOn, macOf, oldMac, ownMac, question } from "./virtual_link.ts";

const hosts = ["192.0.2.10", "192.0.2.11", "192.0.2.12", "192.0.2.13"];
const [stuck, elsewhere, off, right] = hosts;
const known = (host: string) => ({ linkLayerAddress: macOf(host) });
const byte = fc.integer({ min: 0, max: 255 });
const word = fc.integer({ min: 0, max: 0xffff });

/** A frame that a host's answer might be, but for what only who got the question knows. */
const forged = fc.record({
  host: fc.constantFrom(...hosts),
  sourceMac: fc.constantFrom("020000000666", oldMac, ...hosts.map(macOf)),
  kind: fc.constantFrom("arp reply", "echo reply", "tcp"),
  ttl: fc.constantFrom(63, 64, 128, 255),
  id: word,
  port: fc.integer({ min: 61_000, max: 65_010 }),
}).map(({ host, sourceMac, kind, ttl, id, port }) => {
  const { host: from, address: to } = question(host);
  const way = { sourceMac, destinationMac: ownMac, from, to };
  if (kind === "arp reply") return arpReply({ ...way, sourceMac: "020000000666" });
  const frame = kind === "echo reply"
    ? echoRequest(way, { id, sequence: 1 + id % 8, data: "0000000000000000" })
    : tcpSegment(way, {
      sourcePort: 445,
      destinationPort: port,
      sequence: 0,
      acknowledgment: id,
      flags: tcpFlags.rst,
    });
  frame[22] = ttl;
  if (kind === "echo reply") frame[34] = 0;
  return frame;
});
/** Such a frame, or one that is cut off, has a VLAN's tag or other bytes, or nothing but those. */
const anything = fc.oneof(
  forged,
  fc.tuple(forged, fc.nat(60)).map(([frame, length]) => frame.subarray(0, length)),
  forged.map((frame) =>
    Uint8Array.of(...frame.subarray(0, 12), 0x81, 0, 0, 7, ...frame.subarray(12))
  ),
  // Never the addresses: whoever sends by a host's own is the host.
  fc.tuple(forged, fc.integer({ min: 34, max: 60 }), byte).map(([frame, at, value]) =>
    frame[13] === 0x06 ? frame : Object.assign(frame.slice(), { [at]: value })
  ),
  fc.uint8Array({ maxLength: 120 }),
);

Deno.test("ask() calls nobody healed for 100,000 frames that others send", async () => {
  const frames = fc.sample(anything, { numRuns: 5_000, seed: 17 });
  let sent = 0;
  const next = () => frames[(sent++ * 7_919) % frames.length];
  for (let round = 0; sent < 100_000; round++) {
    const ended = await askOn(
      [
        { address: stuck, entry: oldMac, permanent: true },
        { address: elsewhere, entry: oldMac, silent: true },
        { address: right },
      ],
      hosts.map((host) => question(host, round % 2 === 0 ? {} : known(host))),
      { intrude: () => Array.from({ length: 500 }, next) },
    );
    const verdicts = Object.fromEntries(ended.results.map(({ host, verdict }) => [host, verdict]));
    for (const host of [stuck, elsewhere, off]) {
      assert.match(verdicts[host], /^(stuck|asked|no answer)$/, `${host} ${verdicts[host]}`);
    }
    assert.equal(ended.results.length, hosts.length);
    assert.ok(ended.hosts.length <= hosts.length && ended.ms < 6_000, `${ended.ms} ms`);
  }
});

/** Somebody says that it is the host when the silent one is asked again, and what is said by then. */
const claims: readonly [what: string, afterMs: number, echoMs: number, said: readonly string[]][] =
  [
    ["at once", 0, 0, ["asked"]],
    ["when the host has long been healed", 1_000, 0, ["healed", "asked"]],
    ["when it was healed late", 1_000, 900, ["asked", "asked"]],
  ];
for (const [what, afterMs, echoMs, said] of claims) {
  Deno.test(`ask() names the machines that have one address, which the second says ${what}`, async () => {
    const { host: from, address: to } = question(right);
    const second = arpReply({ sourceMac: "020000000666", destinationMac: ownMac, from, to });
    const heard: string[] = [];
    const { results, remarks, ms } = await askOn(
      [{ address: right, answerMs: ({ kind }) => kind === "echo" ? echoMs : 0 }],
      [question(right), question(off, { expected: true })],
      {
        intrude: (ms) => ms >= afterMs ? [second] : [],
        watch: ({ host, verdict }) => void (host === right && heard.push(verdict)),
      },
    );
    assert.deepEqual(heard, said);
    assert.deepEqual(results.map(({ verdict }) => verdict), ["asked", "no answer"]);
    assert.deepEqual(remarks, [
      "several machines have one address: 192.0.2.13 at 02:00:00:00:01:0d and 02:00:00:00:06:66",
    ]);
    assert.ok(ms < 5_000);
  });
}

Deno.test("answeredStep() knows an answer by all that only who got the question can know", () => {
  const ids = createWitnessIds();
  const { host: from, address: to } = question(right);
  const way = { sourceMac: macOf(right), destinationMac: ownMac, from: "", to: "", ttl: 64 };
  const frames = (kind: Witness) =>
    witnessFrames(kind, { ...way, host: from, address: to }, null, ids, 3);
  const [sent] = frames("tcp");
  const port = new DataView(sent.buffer).getUint16(34);
  const echo = { ...way, kind: "echo reply", id: ids.echo, sequence: 4, data: ids.data } as const;
  const tcp = {
    ...way,
    kind: "tcp",
    sourcePort: 445,
    destinationPort: port,
    sequence: 0,
    acknowledgment: (ids.sequence + 1) >>> 0,
    flags: tcpFlags.rst,
  } as const;
  const { identification } = ids;
  const udp = {
    ...way,
    kind: "port unreachable",
    sourcePort: port,
    destinationPort: 9,
    identification,
  } as const;
  for (const heard of [echo, tcp, udp]) {
    assert.equal(answeredStep(heard, ids), 3);
    for (const [name, value] of Object.entries(heard)) {
      if (Object.hasOwn(way, name) || ["kind", "flags"].includes(name)) continue;
      if (heard === tcp && name === "sequence") continue;
      const wrong = { ...heard, [name]: typeof value === "number" ? value ^ 0x4000 : "00" };
      assert.equal(answeredStep(wrong as Heard, ids), null, `${heard.kind} ${name}`);
    }
  }
});
