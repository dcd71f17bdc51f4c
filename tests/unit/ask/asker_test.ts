import assert from "node:assert/strict";
import type { AskerOptions } from "../../../lib/ask/asker.ts";
import type { Question } from "../../../lib/ask/questions.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import {
  askOn,
  macOf,
  oldMac,
  ownMac,
  question,
  type SentFrame,
  type VirtualHost,
} from "./virtual_link.ts";

const host = (n: number) => `192.0.2.${n}`;
const known = (n: number) => ({ linkLayerAddress: macOf(host(n)) });
const expected = { expected: true };
const requests = (sent: readonly SentFrame[], n?: number) =>
  sent.filter(({ kind, to }) =>
    kind === "arp request" && (n === undefined || to === `c00002${n.toString(16).padStart(2, "0")}`)
  );
const verdictsOf = ({ results }: Awaited<ReturnType<typeof askOn>>) =>
  Object.fromEntries(results.map((one) => [one.host, one.verdict]));

/** A host's number, how it behaves (null: nobody is there), what is known of it, and what is to be said. */
type Row = readonly [
  n: number,
  traits: Omit<VirtualHost, "address"> | null,
  asked: Partial<Question>,
  verdict: string,
];
type Changes = Parameters<typeof askOn>[2];

/** Asks about such hosts, which must be judged so. */
async function judge(rows: readonly Row[], changes: Changes = {}) {
  const ended = await askOn(
    rows.flatMap(([n, traits]) => traits === null ? [] : [{ ...traits, address: host(n) }]),
    rows.map(([n, , asked]) => question(host(n), asked)),
    changes,
  );
  const said = rows.map(([n, , , verdict]) => [host(n), verdict]);
  assert.deepEqual(verdictsOf(ended), Object.fromEntries(said));
  return ended;
}

/** Asks about many hosts that are alike, from the tenth on. */
function askMany(count: number, traits: Omit<VirtualHost, "address">, changes: Changes) {
  const addresses = Array.from({ length: count }, (_, i) => host(10 + i));
  const hosts = addresses.map((address) => ({ ...traits, address }));
  return askOn(hosts, addresses.map((address) => question(address)), changes);
}

Deno.test("ask() asks only who fails the probe, those seen wrong first", async () => {
  const { sent } = await judge([
    [13, { entry: oldMac }, {}, "healed"],
    [11, { firewalled: true }, known(11), "asked"],
    [10, { entry: ownMac }, known(10), "ok"],
    [12, { entry: oldMac }, known(12), "healed"],
  ], { pace: 10 });
  const order = requests(sent).slice(0, 3).map(({ to }) => parseInt(to.slice(6), 16));
  assert.deepEqual(order, [12, 11, 13]);
});

for (const [pace, first] of [[10, 0], [5, 0], [40, 225]]) {
  Deno.test(`ask() sends at most ${pace} requests in any second, unicast ones included`, async () => {
    const { sent } = await askMany(50, { firewalled: true }, { pace });
    const times = requests(sent).map(({ at }) => at);
    assert.ok(times.length >= 50, `${times.length} requests`);
    // Up to ten at once, more of them evenly.
    assert.ok(Math.abs(times[Math.min(pace, 10) - 1] - first) <= 5, `${times}`);
    const inSecond = (from: number) => times.filter((at) => at >= from && at < from + 1_000).length;
    assert.equal(Math.max(...times.map(inSecond)), pace);
  });
}

Deno.test("ask() repeats a request to the silent alone, and to idle addresses once", async () => {
  const { sent } = await judge([
    [10, {}, {}, "healed"],
    [11, null, known(11), "no answer"],
    [12, null, expected, "no answer"],
    [13, null, {}, "no answer"],
  ]);
  // The last for one that is named comes from the router's own address, too.
  assert.deepEqual([10, 11, 12, 13].map((n) => requests(sent, n).length), [1, 4, 5, 2]);
  const silent = requests(sent, 12).map(({ at }) => Math.round(at / 1_000));
  assert.deepEqual(silent, [0, 1, 2, 3, 3]);
});

Deno.test("ask() tells a stuck host from a firewall by the control", async () => {
  const rows: Row[] = [
    [10, { entry: oldMac, permanent: true }, {}, "stuck"],
    [11, { firewalled: true }, {}, "asked"],
    [12, { entry: oldMac, silent: true }, known(12), "stuck"],
  ];
  const { results } = await judge(rows);
  const at = results.map(({ linkLayerAddress }) => linkLayerAddress?.toHex());
  assert.deepEqual(at, [oldMac, undefined, oldMac]);
  // Without an address for it, who was not seen wrong may be behind a firewall.
  const alone = await judge(rows, { addressesAt: () => ["192.0.2.1/32"] });
  assert.ok(alone.sent.every(({ from }) => from === "c0000201"));
});

Deno.test("ask() tells a stuck host by another address in question where there is no other", async () => {
  const hosts = [
    { address: host(10), entry: oldMac, permanent: true },
    { address: host(11), firewalled: true },
    { address: host(12), entry: oldMac },
  ];
  const questions = hosts.flatMap((one) =>
    ["192.0.2.1", "192.0.2.2"].map((text) => question(one.address, { address: parsePrefix(text) }))
  );
  const { results } = await askOn(hosts, questions);
  const of = (n: number) => results.filter((one) => one.host === host(n)).map((one) => one.verdict);
  assert.deepEqual(of(10).toSorted(), ["healed", "stuck"]);
  assert.deepEqual(of(11), ["asked", "asked"]);
  assert.deepEqual(of(12), ["healed", "healed"]);
  const drill = await askOn(hosts, questions, { probeOnly: true });
  assert.deepEqual(requests(drill.sent), []);
});

Deno.test("ask() with probeOnly asks nobody from the address in question", async () => {
  const { sent, ms } = await judge([
    [10, { entry: oldMac }, known(10), "stuck"],
    [11, { entry: ownMac }, known(11), "ok"],
    [12, { entry: oldMac }, expected, "stuck"],
    [13, { firewalled: true }, { ...known(13), ...expected }, "not asked"],
    [14, null, known(14), "no answer"],
  ], { probeOnly: true });
  assert.ok(requests(sent).every(({ from }) => from === "c0000202"));
  assert.equal(ms < 3_000, true);
});

/** How an address leaves, and what is left to say. */
const leavings: readonly [string, (ms: number) => readonly string[]][] = [
  ["leaves", (ms) => ms < 520 ? ["192.0.2.2/24", "192.0.2.1/32"] : ["192.0.2.2/24"]],
  [
    "moves to another link",
    (ms) => ["192.0.2.2/24", `${ms < 520 ? "e0" : "e1"} 192.0.2.1/32`],
  ],
  ["leaves with the link", (ms) => ms < 520 ? ["192.0.2.2/24", "192.0.2.1/32"] : []],
  ["was never there", () => ["192.0.2.2/24"]],
];
for (const [what, addressesAt] of leavings) {
  Deno.test(`ask() asks nobody when the address ${what}`, async () => {
    const ended = await askMany(30, {}, { pace: 20, addressesAt });
    const last = Math.max(0, ...ended.sent.map(({ at }) => at));
    assert.ok(last <= 530, `a frame ${last} ms from the start`);
    const counts = Object.groupBy(ended.results, ({ verdict }) => verdict);
    const healed = what === "was never there" ? 0 : 11;
    assert.equal(counts.healed?.length ?? 0, healed);
    assert.equal(counts["not asked"]?.length, 30 - healed);
    assert.ok(ended.ms < 5_000);
  });
}

/** What is going on when an address leaves after so many ms, and from which address nothing goes out then. */
const phases: readonly [
  what: string,
  leaves: string,
  afterMs: number,
  asked: (n: number) => Partial<Question>,
  options: Partial<AskerOptions>,
][] = [
  ["probes", "c0000201", 20, known, {}],
  ["has hosts prove themselves", "c0000201", 100, () => ({}), { pace: 100_000 }],
  ["asks in a drill by its own address", "c0000202", 205, () => expected, {
    pace: 100,
    probeOnly: true,
  }],
  ["probes in a drill", "c0000202", 100, known, { probeOnly: true }],
];
for (const [what, leaves, afterMs, asked, options] of phases) {
  Deno.test(`ask() sends nothing from an address that leaves while it ${what}`, async () => {
    const own: Record<string, string> = { c0000201: "192.0.2.1/32", c0000202: "192.0.2.2/24" };
    const numbers = Array.from({ length: 60 }, (_, i) => 10 + i);
    const { sent } = await askOn(
      numbers.map((n) => ({ address: host(n), firewalled: true })),
      numbers.map((n) => question(host(n), asked(n))),
      {
        ...options,
        addressesAt: (ms) =>
          Object.keys(own).filter((one) => one !== leaves || ms < afterMs).map((one) => own[one]),
      },
    );
    const times = sent.filter(({ from }) => from === leaves).map(({ at }) => at);
    assert.ok(times.length > 10, `${times}`);
    assert.ok(Math.max(...times) <= afterMs + 10, `${times}`);
  });
}

Deno.test("ask() ends when its signal is aborted, and says who was not asked", async () => {
  const rows = ["healed", "healed", "not asked", "not asked"]
    .map((verdict, i): Row => [10 + i, {}, {}, verdict]);
  const { ms } = await judge(rows, { pace: 20, signal: (ms) => ms >= 50 });
  assert.ok(ms <= 300);
});

Deno.test("ask() asks nobody whose own service has said that all is well", async () => {
  const ended = await askOn([], [question(host(10)), question(host(11))], {
    isTold: (address) => address.bytes[3] === 10,
  });
  assert.deepEqual(verdictsOf(ended), { [host(11)]: "no answer" });
  assert.equal(requests(ended.sent, 10).length, 0);
});

Deno.test("ask() waits for each witness, however late it is sent", async () => {
  const rows: Row[] = [[10, { firewalled: true }, {}, "asked"]];
  const ended = await judge(rows, { stretch: () => 700 });
  const kinds = Map.groupBy(ended.sent, ({ kind }) => kind);
  // Twice, with the control; and what asks whether the host holds the address itself.
  assert.deepEqual(
    ["echo", "tcp", "udp"].map((kind) => kinds.get(kind)?.length),
    [7, 30, 2],
  );
  const [last] = ended.sent.slice(-1);
  assert.ok(ended.results[0].ms - last.at >= 70, `${ended.results[0].ms - last.at} ms`);
});

/** What becomes of a healthy host whose answers take long or are lost, and when, in ms. */
const vip = "c0000201";
type AnswerMs = (frame: SentFrame, n: number) => number;
const echoes = (answerMs: AnswerMs): AnswerMs => (frame, n) =>
  frame.kind === "echo" ? answerMs(frame, n) : 0;
const slow: readonly [what: string, answerMs: AnswerMs, from: number, to: number][] = [
  ["answers at once", () => 0, 0, 2],
  ["takes 300 ms for each answer", () => 300, 600, 605],
  ["answers pings after 230 ms", echoes(() => 230), 230, 235],
  ["answers pings after 900 ms", echoes(() => 900), 900, 905],
  ["answers to the address late", echoes(({ from }) => from === vip ? 200 : 0), 200, 205],
  [
    "loses two answers to the address",
    echoes(({ from }, n) => from === vip && n < 3 ? Infinity : 0),
    160,
    165,
  ],
  [
    "loses most of its answers, to the control, too",
    echoes(({ from }, n) => (from === vip ? n < 5 : n !== 2) ? Infinity : 0),
    320,
    325,
  ],
];
for (const [what, answerMs, from, to] of slow) {
  Deno.test(`ask() calls no host stuck that ${what}`, async () => {
    // A silent one keeps the run going until an answer that is later than a verdict waits.
    const silent: Row[] = from > 700 ? [[11, null, expected, "no answer"]] : [];
    const { results: [{ ms }] } = await judge([[10, { answerMs }, {}, "healed"], ...silent]);
    assert.ok(ms >= from && ms <= to, `${ms} ms`);
  });
}

Deno.test("ask() says nothing of a host while its answer waits to be read", async () => {
  const said: string[] = [];
  const watch: AskerOptions["watch"] = ({ verdict }) => said.push(verdict);
  await askMany(200, {}, { pace: 100_000, readMs: 4, watch });
  assert.deepEqual(said, Array(200).fill("healed"));
});

Deno.test("ask() gives up a link that takes no frames", async () => {
  const rows: Row[] = [[10, null, {}, "not asked"], [11, null, known(11), "not asked"]];
  const { remarks, ms } = await judge(rows, { isDown: true });
  assert.deepEqual(remarks, ["e0 takes no packets"]);
  assert.ok(ms < 2_500);
});

Deno.test("ask() goes on without a link whose socket can't be opened", async () => {
  const openSocket: AskerOptions["openSocket"] = () => {
    throw new Error("Cannot open a packet socket on e0: network is down");
  };
  const { remarks } = await judge([[10, null, {}, "not asked"]], { openSocket });
  assert.deepEqual(remarks, ["Cannot open a packet socket on e0: network is down"]);
});
