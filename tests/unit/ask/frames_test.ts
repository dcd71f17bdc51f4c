import fc from "fast-check";
import assert from "node:assert/strict";
import { filterProgram } from "../../../lib/ask/filter.ts";
import {
  addressKey,
  arpRequest,
  broadcastMac,
  echoRequest,
  type Heard,
  neighborSolicitation,
  readFrame,
  solicitedNode,
  tcpFlags,
  tcpSegment,
  udpDatagram,
  type Way,
} from "../../../lib/ask/frames.ts";
import type { FilterInstruction } from "../../../lib/libc/packet_socket.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import { isInstalled, run } from "../../support/command.ts";
import { arpReply } from "./virtual_link.ts";

const withoutTcpdump = !await isInstalled("tcpdump");

const sourceMac = "020000000002";
const destinationMac = "020000000063";
const way = (from: string, to: string): Way => ({
  sourceMac,
  destinationMac,
  from: parsePrefix(from),
  to: parsePrefix(to),
});
const v4 = way("192.0.2.1", "192.0.2.99");
const v6 = way("2001:db8::1", "2001:db8::99");
const echoNumbers = { id: 513, sequence: 7, data: "0123456789abcdef" };
const udpNumbers = { sourcePort: 40000, destinationPort: 9, identification: 77 };
const syn = { sourcePort: 40000, destinationPort: 445, sequence: 7, acknowledgment: 0 };

/** Each frame that is built, and what tcpdump says of it. */
const built: readonly [Uint8Array<ArrayBuffer>, RegExp][] = [
  [
    arpRequest({ ...v4, destinationMac: broadcastMac }),
    /Request who-has 192\.0\.2\.99 .*tell 192\.0\.2\.1, length 28/,
  ],
  [echoRequest(v4, echoNumbers), /echo request, id 513, seq 7, length 16/],
  [echoRequest(v6, echoNumbers), /icmp6 sum ok\].*echo request, id 513, seq 7/],
  [
    tcpSegment(v4, { ...syn, flags: tcpFlags.syn }),
    /99\.445: Flags \[S\], cksum .*\(correct\), seq 7,/,
  ],
  [tcpSegment(v4, { ...syn, flags: tcpFlags.rst }), /Flags \[R\], cksum .*\(correct\)/],
  [
    udpDatagram(v4, udpNumbers),
    /id 77, .*40000 > .*\.9: \[udp sum ok\] UDP, length 0/s,
  ],
  [
    neighborSolicitation({ ...v6, ...solicitedNode(v6.to) }, v6.to),
    /hlim 255.*> ff02::1:ff00:99: \[icmp6 sum ok\].*who has 2001:db8::99\s.*source link-address .* 02:00:00:00:00:02/s,
  ],
];

/** Frames as a capture file (pcap, Ethernet). */
function captureOf(frames: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const file = [...new Uint8Array(Uint32Array.of(0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1).buffer)];
  for (const [i, frame] of frames.entries()) {
    file.push(...new Uint8Array(Uint32Array.of(i, 0, frame.length, frame.length).buffer), ...frame);
  }
  return Uint8Array.from(file);
}

/** The frames' numbers in a capture file that a filter of tcpdump's takes. */
async function tcpdumpTakes(frames: readonly Uint8Array[], expression: string): Promise<number[]> {
  const file = await Deno.makeTempFile({ suffix: ".pcap" });
  try {
    await Deno.writeFile(file, captureOf(frames));
    const text = await run(["tcpdump", "-ttnr", file, expression]);
    return [...text.matchAll(/^(\d+)\.0+ /gm)].map(([, second]) => Number(second));
  } finally {
    await Deno.remove(file);
  }
}

/** Runs a classic BPF program as the kernel does; a load behind the end drops the frame. */
function takes(program: readonly FilterInstruction[], frame: Uint8Array): boolean {
  const loads: Record<number, number> = { 0x20: 4, 0x28: 2, 0x30: 1 };
  let a = 0;
  for (let at = 0;; at++) {
    const { code, jt, jf, k } = program[at];
    if (code === 0x06) return k > 0;
    if (code === 0x05) at += k;
    else if (code === 0x15) at += a === k ? jt : jf;
    else if (k === 0xfffff030) a = 0;
    else {
      if (k + loads[code] > frame.length) return false;
      a = Number(`0x${frame.subarray(k, k + loads[code]).toHex()}`);
    }
  }
}

Deno.test({
  name: "each frame is what tcpdump takes it for, checksums included",
  ignore: withoutTcpdump,
  fn: async () => {
    const file = await Deno.makeTempFile({ suffix: ".pcap" });
    try {
      for (const [frame, text] of built) {
        await Deno.writeFile(file, captureOf([frame]));
        const said = await run(["tcpdump", "-nvvr", file]);
        assert.match(said, text);
        assert.doesNotMatch(said, /bad|incorrect|wrong/);
      }
    } finally {
      await Deno.remove(file);
    }
  },
});

/** Any frame: bytes, or one that is built with some bytes of its own changed or cut off. */
const anyFrame = fc.oneof(
  fc.uint8Array({ maxLength: 120 }),
  fc.tuple(
    fc.constantFrom(...built.map(([frame]) => frame)),
    fc.array(fc.tuple(fc.nat(90), fc.nat(255)), { maxLength: 4 }),
    fc.nat(90),
  ).map(([frame, changes, cut]) => {
    const copy = frame.slice(0, cut > 60 ? frame.length : cut);
    for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
    return copy;
  }),
);

Deno.test("readFrame() never throws, and what it reads has whole fields", () => {
  fc.assert(
    fc.property(anyFrame, (frame) => {
      const heard = readFrame(frame);
      if (heard === null) return;
      assert.match(heard.from, /^([0-9a-f]{8}|[0-9a-f]{32})$/);
      assert.equal(heard.to.length, heard.from.length);
      assert.match(heard.sourceMac + heard.destinationMac, /^[0-9a-f]{24}$/);
    }),
    { numRuns: 3_000 },
  );
});

/** An answer to a frame that was built: its ways are turned round and bytes are set. */
function answering(frame: Uint8Array, bytes: Readonly<Record<number, number>>): Heard | null {
  const answer = frame.slice();
  answer.set(frame.subarray(6, 12), 0);
  answer.set(frame.subarray(0, 6), 6);
  const [at, length] = frame[12] === 0x86 ? [22, 16] : [26, 4];
  if (frame[13] !== 0x06) {
    answer.set(frame.subarray(at + length, at + 2 * length), at);
    answer.set(frame.subarray(at, at + length), at + length);
  }
  for (const [at, byte] of Object.entries(bytes)) answer[Number(at)] = byte;
  return readFrame(answer);
}

Deno.test("readFrame() reads what hosts answer", () => {
  const macs = { sourceMac: destinationMac, destinationMac: sourceMac };
  const ipv4 = { ...macs, from: addressKey(v4.to), to: addressKey(v4.from), ttl: 64 };
  const ipv6 = { ...macs, from: addressKey(v6.to), to: addressKey(v6.from) };
  const [, echo, echo6, tcp] = built.map(([frame]) => frame);
  assert.deepEqual(answering(echo, { 34: 0 }), { ...ipv4, kind: "echo reply", ...echoNumbers });
  assert.deepEqual(answering(echo6, { 54: 129 }), {
    ...ipv6,
    kind: "echo reply",
    ttl: 64,
    ...echoNumbers,
  });
  assert.equal(answering(echo, { 34: 0, 21: 1 }), null, "a fragment");
  assert.deepEqual(answering(tcp, { 47: tcpFlags.syn | tcpFlags.ack }), {
    ...ipv4,
    kind: "tcp",
    ...syn,
    flags: 0x12,
  });
  const unicast = neighborSolicitation(v6, v6.from);
  const discovery = { ...ipv6, ttl: 255, target: addressKey(v6.from) };
  assert.deepEqual(answering(unicast, {}), { ...discovery, kind: "neighbor solicitation" });
  assert.deepEqual(answering(unicast, { 54: 136 }), {
    ...discovery,
    kind: "neighbor advertisement",
  });
  assert.equal(answering(unicast, { 54: 136, 21: 254 }), null, "one that was forwarded");
  const arp = { sourceMac, destinationMac, senderMac: sourceMac, from: "c0000201", to: "c0000263" };
  assert.deepEqual(readFrame(arpRequest(v4)), { ...arp, kind: "arp request" });
  assert.deepEqual(readFrame(arpReply(v4)), { ...arp, kind: "arp reply" });
});

Deno.test("readFrame() reads a port unreachable by the datagram that it quotes", () => {
  const quoted = udpDatagram(v4, udpNumbers).subarray(14);
  // The error's own headers, from an echo reply turned round, and the datagram behind them.
  const head = echoRequest({ ...v4, from: v4.to, to: v4.from }, { ...echoNumbers, data: "" });
  const frame = Uint8Array.of(...head, ...quoted);
  frame.set([0, frame.length - 14], 16);
  frame.set([3, 3], 34);
  const heard = readFrame(frame);
  assert.partialDeepStrictEqual(heard, {
    kind: "port unreachable",
    ...udpNumbers,
  });
  const foreign = frame.slice();
  foreign[42 + 16] ^= 1;
  assert.equal(readFrame(foreign), null, "a datagram that went elsewhere");
});

Deno.test({
  name: "filterProgram() takes what the same filter of tcpdump's takes",
  ignore: withoutTcpdump,
  fn: async () => {
    const addresses = ["192.0.2.99", "192.0.2.1", "2001:db8::99"].map(parsePrefix);
    const program = filterProgram(addresses);
    const dst = "(dst host 192.0.2.99 or dst host 192.0.2.1)";
    const expression = "(arp and (arp[24:4] = 0xc0000263 or arp[24:4] = 0xc0000201)) or " +
      `(ip and (ip proto 1 or ip proto 6) and ${dst}) or ` +
      "(ip6 and ip6[6] = 58 and ip6[36:4] = 0x99)";
    const frames = [...built.map(([frame]) => frame), ...fc.sample(anyFrame, 3_000)];
    const ours = frames.flatMap((frame, i) => takes(program, frame) ? [i] : []);
    assert.deepEqual(ours, await tcpdumpTakes(frames, expression));
    assert.ok(ours.length > 5 && ours.length < frames.length);
  },
});

Deno.test("filterProgram() refuses more addresses than the kernel takes instructions for", () => {
  const many = Array.from({ length: 2_100 }, (_, i) => parsePrefix(`10.0.${i >> 8}.${i & 255}`));
  assert.throws(() => filterProgram(many), /Cannot filter by 2100 addresses/);
  assert.equal(filterProgram(many.slice(0, 2_000)).length, 4_000 + filterProgram([]).length);
});
