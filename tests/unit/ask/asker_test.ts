import assert from "node:assert/strict";
import type { AskerOptions } from "../../../lib/ask/asker.ts";
import type { Question } from "../../../lib/ask/questions.ts";
import { parseAddress } from "../../../lib/wire/addresses.ts";
import { askOn, macOf, oldMac, question, type SentFrame } from "./virtual_link.ts";

const host = (n: number) => `192.0.2.${n}`;
const known = (n: number) => ({ linkLayerAddress: macOf(host(n)) });
const requests = (sent: readonly SentFrame[], n?: number) =>
  sent.filter(({ kind, to }) =>
    kind === "arp request" && (n === undefined || to === `c00002${n.toString(16).padStart(2, "0")}`)
  );
const verdictsOf = ({ results }: Awaited<ReturnType<typeof askOn>>) =>
  Object.fromEntries(results.map((one) => [one.host, one.verdict]));

Deno.test("ask() asks only who fails the probe, those seen wrong first", async () => {
  const ended = await askOn(
    [
      { address: host(10), entry: "020000000001" },
      { address: host(11), firewalled: true },
      { address: host(12), entry: oldMac },
      { address: host(13), entry: oldMac },
    ],
    [question(host(13)), ...[11, 10, 12].map((n) => question(host(n), known(n)))],
    { pace: 10 },
  );
  assert.deepEqual(verdictsOf(ended), {
    [host(10)]: "ok",
    [host(11)]: "asked",
    [host(12)]: "healed",
    [host(13)]: "healed",
  });
  assert.deepEqual(requests(ended.sent).slice(0, 3).map(({ to }) => parseInt(to.slice(6), 16)), [
    12,
    11,
    13,
  ]);
});

for (const [pace, first] of [[10, 0], [5, 0], [40, 225]]) {
  Deno.test(`ask() sends at most ${pace} requests in any second, unicast ones included`, async () => {
    const numbers = Array.from({ length: 50 }, (_, i) => 10 + i);
    const { sent } = await askOn(
      numbers.map((n) => ({ address: host(n), firewalled: true })),
      numbers.map((n) => question(host(n))),
      { pace },
    );
    const times = requests(sent).map(({ at }) => at);
    assert.ok(times.length >= 50, `${times.length} requests`);
    // Up to ten at once, more of them evenly.
    assert.ok(Math.abs(times[Math.min(pace, 10) - 1] - first) <= 5, `${times}`);
    const inSecond = (from: number) => times.filter((at) => at >= from && at < from + 1_000).length;
    assert.equal(Math.max(...times.map(inSecond)), pace);
  });
}

Deno.test("ask() repeats a request to the silent alone, and to idle addresses once", async () => {
  const ended = await askOn([{ address: host(10) }], [
    question(host(10)),
    question(host(11), known(11)),
    question(host(12), { expected: true }),
    question(host(13)),
  ]);
  const counts = [10, 11, 12, 13].map((n) => requests(ended.sent, n).length);
  // The last for one that is named comes from the router's own address, too.
  assert.deepEqual(counts, [1, 4, 5, 2]);
  const silent = requests(ended.sent, 12).map(({ at }) => Math.round(at / 1_000));
  assert.deepEqual(silent, [0, 1, 2, 3, 3]);
  assert.deepEqual(verdictsOf(ended), {
    [host(10)]: "healed",
    [host(11)]: "no answer",
    [host(12)]: "no answer",
    [host(13)]: "no answer",
  });
});

Deno.test("ask() tells a stuck host from a firewall by the control", async () => {
  const hosts = [
    { address: host(10), entry: oldMac, permanent: true },
    { address: host(11), firewalled: true },
    { address: host(12), entry: oldMac, silent: true },
  ];
  const questions = [question(host(10)), question(host(11)), question(host(12), known(12))];
  const ended = await askOn(hosts, questions);
  assert.deepEqual(verdictsOf(ended), {
    [host(10)]: "stuck",
    [host(11)]: "asked",
    [host(12)]: "stuck",
  });
  const at = ended.results.map(({ linkLayerAddress }) => linkLayerAddress?.toHex());
  assert.deepEqual(at, [oldMac, undefined, oldMac]);
  const alone = await askOn(hosts, questions, { addressesAt: () => ["192.0.2.1/32"] });
  assert.ok(alone.sent.every(({ from }) => from === "c0000201"));
});

Deno.test("ask() tells a stuck host by another address in question where there is no other", async () => {
  const addresses = ["192.0.2.1", "192.0.2.2"].flatMap((text) => parseAddress(text) ?? []);
  const hosts = [
    { address: host(10), entry: oldMac, permanent: true },
    { address: host(11), firewalled: true },
    { address: host(12), entry: oldMac },
  ];
  const questions = hosts.flatMap((one) =>
    addresses.map((address) => question(one.address, { address }))
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
  const ended = await askOn(
    [
      { address: host(10), entry: oldMac },
      { address: host(11), entry: "020000000001" },
      { address: host(12), entry: oldMac },
      { address: host(13), firewalled: true },
    ],
    [
      question(host(10), known(10)),
      question(host(11), known(11)),
      question(host(12), { expected: true }),
      question(host(13), { ...known(13), expected: true }),
      question(host(14), known(14)),
    ],
    { probeOnly: true },
  );
  assert.deepEqual(verdictsOf(ended), {
    [host(10)]: "stuck",
    [host(11)]: "ok",
    [host(12)]: "stuck",
    [host(13)]: "not asked",
    [host(14)]: "no answer",
  });
  assert.ok(requests(ended.sent).every(({ from }) => from === "c0000202"));
  assert.equal(ended.ms < 3_000, true);
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
    const numbers = Array.from({ length: 30 }, (_, i) => 10 + i);
    const ended = await askOn(
      numbers.map((n) => ({ address: host(n) })),
      numbers.map((n) => question(host(n))),
      { pace: 20, addressesAt },
    );
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
  changes: Partial<Question>,
  options: Partial<AskerOptions>,
][] = [
  ["probes", "c0000201", 20, { linkLayerAddress: "" }, {}],
  ["has hosts prove themselves", "c0000201", 100, {}, { pace: 100_000 }],
  ["asks in a drill by its own address", "c0000202", 205, { expected: true }, {
    pace: 100,
    probeOnly: true,
  }],
  ["probes in a drill", "c0000202", 100, { linkLayerAddress: "" }, { probeOnly: true }],
];
for (const [what, leaves, afterMs, changes, options] of phases) {
  Deno.test(`ask() sends nothing from an address that leaves while it ${what}`, async () => {
    const numbers = Array.from({ length: 60 }, (_, i) => 10 + i);
    const own: Record<string, string> = { c0000201: "192.0.2.1/32", c0000202: "192.0.2.2/24" };
    const { sent } = await askOn(
      numbers.map((n) => ({ address: host(n), firewalled: true })),
      numbers.map((n) =>
        question(host(n), { ...changes, ..."linkLayerAddress" in changes ? known(n) : {} })
      ),
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
  const numbers = [10, 11, 12, 13];
  const ended = await askOn(
    numbers.map((n) => ({ address: host(n) })),
    numbers.map((n) => question(host(n))),
    { pace: 20, signal: (ms) => ms >= 50 },
  );
  assert.deepEqual(Object.values(verdictsOf(ended)), [
    "healed",
    "healed",
    "not asked",
    "not asked",
  ]);
  assert.ok(ended.ms <= 300);
});

Deno.test("ask() asks nobody whose own service has said that all is well", async () => {
  const ended = await askOn([], [question(host(10)), question(host(11))], {
    isTold: (address) => address.bytes[3] === 10,
  });
  assert.deepEqual(verdictsOf(ended), { [host(11)]: "no answer" });
  assert.equal(requests(ended.sent, 10).length, 0);
});

Deno.test("ask() waits for each witness, however late it is sent", async () => {
  const ended = await askOn([{ address: host(10), firewalled: true }], [question(host(10))], {
    stretch: () => 700,
  });
  assert.equal(ended.results[0].verdict, "asked");
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
    const silent = from > 700 ? [question(host(11), { expected: true })] : [];
    const questions = [question(host(10)), ...silent];
    const { results: [{ verdict, ms }] } = await askOn(
      [{ address: host(10), answerMs }],
      questions,
    );
    assert.equal(verdict, "healed");
    assert.ok(ms >= from && ms <= to, `${ms} ms`);
  });
}

Deno.test("ask() says nothing of a host while its answer waits to be read", async () => {
  const numbers = Array.from({ length: 200 }, (_, i) => 10 + i);
  const said: string[] = [];
  await askOn(numbers.map((n) => ({ address: host(n) })), numbers.map((n) => question(host(n))), {
    pace: 100_000,
    readMs: 4,
    watch: ({ verdict }) => said.push(verdict),
  });
  assert.deepEqual(said, numbers.map(() => "healed"));
});

Deno.test("ask() gives up a link that takes no frames", async () => {
  const ended = await askOn([], [question(host(10)), question(host(11), known(11))], {
    isDown: true,
  });
  assert.deepEqual(Object.values(verdictsOf(ended)), ["not asked", "not asked"]);
  assert.deepEqual(ended.remarks, ["e0 takes no packets"]);
  assert.ok(ended.ms < 2_500);
});

Deno.test("ask() goes on without a link whose socket can't be opened", async () => {
  const openSocket: AskerOptions["openSocket"] = () => {
    throw new Error("Cannot open a packet socket on e0: network is down");
  };
  const { results, remarks } = await askOn([], [question(host(10))], { openSocket });
  assert.equal(results[0].verdict, "not asked");
  assert.deepEqual(remarks, ["Cannot open a packet socket on e0: network is down"]);
});
