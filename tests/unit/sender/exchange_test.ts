import assert from "node:assert/strict";
import { exchange, type ExchangeEvent } from "../../../lib/sender/exchange.ts";
import type { Plan } from "../../../lib/sender/preparation.ts";
import { parseHost } from "../../../lib/sender/targets.ts";
import { encodeAck, type FlushAck } from "../../../lib/wire/ack.ts";
import { type FlushRequest, requestMacOf } from "../../../lib/wire/request.ts";
import { createTestTime } from "../../support/test_time.ts";
import {
  ack,
  key,
  otherKey,
  plannedRequest,
  planOf,
  prefix,
  report,
  requestIn,
} from "./helpers.ts";
import { type Deliver, servicePort, virtualNetwork } from "./virtual_network.ts";

const start = 1_700_000_000_000;

/** Carries out a plan against hosts that are the test's. */
async function run(deliver: Deliver, changes: Partial<Plan> = {}) {
  const time = createTestTime(start);
  const network = virtualNetwork(time, deliver);
  const events: ExchangeEvent[] = [];
  const record = await time.until(
    exchange(planOf(changes), network.open, time, (event) => void events.push(event)),
  );
  assert.ok(network.isClosed());
  return { record, sent: network.sent, events, hosts: [...record.hosts.values()] };
}

/** The bytes of an ack to a datagram. */
function answer(bytes: Uint8Array, fields: (request: FlushRequest) => FlushAck, signer = key) {
  return encodeAck(fields(requestIn(bytes)), signer, requestMacOf(bytes));
}

const flushed = (host: string, changes: Partial<FlushAck> = {}) => (request: FlushRequest) =>
  ack(request, "flushed", { host, clock: start, ...changes });

Deno.test("exchange() sends the same signed bytes five times, a second apart, to each target", async () => {
  const targets = ["192.0.2.255", "web1", "2001:db8::7"].map(parseHost);
  const { sent, record } = await run(() => {}, { targets });
  assert.deepEqual([...new Set(sent.map(({ at }) => at))], [0, 1000, 2000, 3000, 4000]);
  assert.equal(sent.length, 15);
  assert.ok(sent.every(({ bytes }) => bytes === sent[0].bytes));
  assert.deepEqual(sent.slice(0, 3).map(({ to }) => to), targets);
  assert.ok(sent.every(({ udpPort }) => udpPort === servicePort));
  const request = requestIn(sent[0].bytes);
  assert.equal(request.created, start);
  assert.deepEqual(record.requestIds, [request.id]);
  assert.equal(record.copies, 5);
  assert.equal(record.elapsedMs, 6000);
});

Deno.test("exchange() has a new request id each time", async () => {
  const ids = [await run(() => {}), await run(() => {})].map(({ record }) =>
    record.requestIds[0].toHex()
  );
  assert.notEqual(ids[0], ids[1]);
});

Deno.test("exchange() asks for what the plan says", async () => {
  const addresses = [prefix("192.0.2.1")];
  const request = { ...plannedRequest, report: true, addresses, ackSpreadMs: 700 };
  const { sent } = await run(() => {}, { content: { kind: "signed", key, requests: [request] } });
  const { created: _created, id: _id, ...asked } = requestIn(sent[0].bytes);
  assert.deepEqual(asked, request);
});

Deno.test("exchange() collects acks with the time they took and the host's clock", async () => {
  const { hosts } = await run(({ bytes, at }, reply) => {
    if (at === 1000) {
      reply(answer(bytes, flushed("web1", { clock: start + 1515 })), "192.0.2.7", 30);
    }
  });
  const [{ name, acks }] = hosts;
  assert.deepEqual([name, acks.length], ["web1", 1]);
  // Half of the 30 ms since the second copy is taken for the ack's way.
  const { address, ms, clock } = acks[0];
  assert.deepEqual([address, ms, clock], ["192.0.2.7", 1030, { ms: 500, errorMs: 15 }]);
});

Deno.test("exchange() waits for acks after the last copy, and no longer", async () => {
  const late = (delay: number): Deliver => ({ bytes, at }, reply) => {
    if (at === 4000) reply(answer(bytes, flushed("web1")), "192.0.2.7", delay);
  };
  assert.equal((await run(late(1999))).hosts.length, 1);
  assert.equal((await run(late(2001))).hosts.length, 0);
});

Deno.test("exchange() takes a host on several interfaces as one", async () => {
  const { hosts } = await run(({ bytes }, reply) => {
    reply(answer(bytes, flushed("web1")), "192.0.2.7");
    reply(answer(bytes, flushed("WEB1")), "198.51.100.7");
  });
  assert.equal(hosts.length, 1);
  assert.equal(hosts[0].acks.length, 10);
});

Deno.test("exchange() ends as soon as the expected hosts have confirmed", async () => {
  const deliver: Deliver = ({ bytes, at }, reply) => {
    if (at === 0) reply(answer(bytes, flushed("web1")), "192.0.2.7", 10);
    if (at === 1000) reply(answer(bytes, flushed("web2")), "192.0.2.8", 10);
  };
  for (
    const expectation of [
      { kind: "count", count: 2 },
      { kind: "names", names: ["web2.example.org", "web1"] },
    ] as const
  ) {
    const { sent, record } = await run(deliver, { expectation });
    assert.equal(sent.length, 2);
    assert.equal(record.elapsedMs, 1010);
  }
  const { sent } = await run(deliver, { expectation: { kind: "names", names: ["web1", "web3"] } });
  assert.equal(sent.length, 5);
});

Deno.test("exchange() sends further copies to an expected host whose flush failed", async () => {
  const { sent, hosts } = await run(({ bytes, at }, reply) => {
    const status = at < 2000 ? "failed" : "flushed";
    reply(
      answer(bytes, (request) => ack(request, status, { error: at < 2000 ? 1 : 0 })),
      "192.0.2.7",
    );
  }, { expectation: { kind: "count", count: 1 } });
  assert.equal(sent.length, 3);
  assert.equal(hosts[0].acks.at(-1)?.ack.status, "flushed");
});

Deno.test("exchange() without an expectation sends all copies", async () => {
  const { sent, record } = await run(({ bytes }, reply) => {
    reply(answer(bytes, flushed("web1")), "192.0.2.7");
  });
  assert.equal(sent.length, 5);
  assert.equal(record.elapsedMs, 6000);
});

/** A host whose clock is off: stale to what was created by another clock, flushed by its own. */
function hostWithClock(offsetMs: number, toleranceMs = 60_000): Deliver {
  return ({ bytes, at }, reply) => {
    const clock = start + at + offsetMs;
    const isStale = Math.abs(requestIn(bytes).created - clock) > toleranceMs;
    const fields = (request: FlushRequest) =>
      ack(request, isStale ? "stale" : "flushed", { clock, host: "web1" });
    reply(answer(bytes, fields), "192.0.2.7", 4);
  };
}

for (const minutes of [10, -10]) {
  Deno.test(`exchange() heals a host whose clock is ${minutes} minutes off, by one request of its own`, async () => {
    const offset = minutes * 60_000;
    const { sent, hosts } = await run(hostWithClock(offset));
    const repairs = sent.filter(({ to }) => to.hostname === "192.0.2.7");
    assert.equal(repairs.length, 1);
    assert.equal(repairs[0].at, 4);
    assert.equal(repairs[0].udpPort, servicePort);
    const [first, repair] = [requestIn(sent[0].bytes), requestIn(repairs[0].bytes)];
    assert.notDeepEqual(repair.id, first.id);
    // Of the round trip of 4 ms, which here was the ack's alone, half is taken for its way.
    assert.equal(repair.created, start + offset + 2);
    assert.deepEqual({ ...repair, id: first.id, created: first.created }, first);
    assert.equal(sent.length, 6);
    assert.equal(hosts.length, 1);
    assert.ok(hosts[0].repaired);
    assert.deepEqual(hosts[0].acks.map(({ ack }) => ack.status).slice(0, 2), ["stale", "flushed"]);
    assert.ok(hosts[0].acks.every(({ clock }) => Math.abs(clock.ms - offset) <= clock.errorMs));
  });
}

Deno.test("exchange() ends at once when the repaired host was the last one expected", async () => {
  const { record } = await run(hostWithClock(600_000), {
    expectation: { kind: "count", count: 1 },
  });
  assert.equal(record.elapsedMs, 8);
  assert.equal(record.copies, 1);
});

Deno.test("exchange() repeats the repair's copies until that host has confirmed", async () => {
  const host = hostWithClock(600_000);
  let lost = 0;
  const { sent, hosts } = await run((datagram, reply) => {
    if (datagram.to.hostname === "192.0.2.7" && lost++ < 2) return;
    return host(datagram, reply);
  });
  const repairs = sent.filter(({ to }) => to.hostname === "192.0.2.7");
  assert.deepEqual(repairs.map(({ at }) => at), [4, 1004, 2004]);
  assert.ok(repairs.every(({ bytes }) => bytes === repairs[0].bytes));
  assert.ok(hosts[0].acks.some(({ ack }) => ack.status === "flushed"));
});

Deno.test("exchange() repairs a host once, whichever interfaces and copies it answers", async () => {
  const { sent, hosts } = await run(({ bytes, at, to }, reply) => {
    const stale = (request: FlushRequest) => ack(request, "stale", { clock: start + at });
    reply(answer(bytes, stale), "192.0.2.7");
    if (to.hostname === "192.0.2.255") reply(answer(bytes, stale), "198.51.100.7");
  });
  const repairs = sent.filter(({ to }) => to.hostname !== "192.0.2.255");
  assert.equal(repairs.length, 5);
  assert.ok(repairs.every(({ bytes }) => bytes === repairs[0].bytes));
  assert.ok(hosts.every(({ acks }) => acks.every(({ ack }) => ack.status === "stale")));
});

Deno.test("exchange() gives a repair after the last copy the time it needs", async () => {
  const { hosts, record } = await run(({ bytes, at, to }, reply) => {
    const isRepair = to.hostname === "192.0.2.7";
    if (at < 4000) return;
    const status = isRepair ? "flushed" : "stale";
    reply(answer(bytes, (request) => ack(request, status)), "192.0.2.7", 1900);
  });
  assert.equal(hosts[0].acks.at(-1)?.ack.status, "flushed");
  assert.equal(record.elapsedMs, 4000 + 1900 + 1900);
});

Deno.test("exchange() repairs a host on a link-local address through the target's link", async () => {
  const { sent } = await run(({ bytes, to }, reply) => {
    if (to.hostname === "fe80::7%e1") {
      reply(answer(bytes, (request) => ack(request, "stale", { clock: start + 1e6 })), "fe80::7");
    }
  }, { targets: [parseHost("fe80::7%e1")], schedule: { count: 1, intervalMs: 1000 } });
  assert.deepEqual(sent.map(({ to }) => to.hostname), ["fe80::7%e1", "fe80::7%e1"]);
});

Deno.test("exchange() repairs a host on another address without a zone", async () => {
  const { sent } = await run(({ bytes, to }, reply) => {
    if (to.hostname !== "192.0.2.255") return;
    reply(answer(bytes, (request) => ack(request, "stale", { clock: start + 1e6 })), "192.0.2.7");
  }, { targets: ["fe80::7%e1", "192.0.2.255"].map(parseHost) });
  const repairs = sent.slice(2, 3).map(({ to: { hostname, address } }) => [hostname, address]);
  assert.deepEqual(repairs, [["192.0.2.7", prefix("192.0.2.7")]]);
});

Deno.test("exchange() ignores and counts what is no ack to it, by reason", async () => {
  const foreign: Uint8Array[] = [];
  await run(({ bytes }) => void foreign.push(answer(bytes, flushed("web1"))));
  const { hosts, record, events } = await run(({ bytes, at }, reply) => {
    if (at > 0) return;
    const good = answer(bytes, flushed("web1"));
    const flipped = good.slice();
    flipped[45] ^= 1;
    const replayed = foreign[0];
    const stranger = answer(bytes, flushed("web1"), otherKey);
    const renamed = answer(bytes, flushed("web1"));
    renamed[8] = stranger[8];
    const wrongMac = encodeAck(flushed("web1")(requestIn(bytes)), key, new Uint8Array(16));
    const tooMany = answer(bytes, flushed("web1", { reports: [report("no neighbor")] }));
    const echo = good.slice();
    echo[5] = 1;
    const junk = [
      echo,
      flipped,
      replayed,
      stranger,
      renamed,
      wrongMac,
      tooMany,
      bytes,
      new Uint8Array(3),
    ];
    for (const datagram of junk) reply(datagram, "192.0.2.66");
  });
  assert.deepEqual(hosts, []);
  assert.deepEqual(Object.fromEntries(record.ignored), {
    mac: 2,
    "request id": 1,
    key: 2,
    content: 1,
    header: 1,
    length: 2,
  });
  assert.equal(events.filter(({ kind }) => kind === "ignored").length, 9);
});

Deno.test("exchange() goes on with other targets and copies when one fails", async () => {
  const targets = ["192.0.2.255", "198.51.100.127"].map(parseHost);
  const { record, hosts } = await run(({ to, bytes, at }, reply) => {
    if (to.hostname === "192.0.2.255" && at < 4000) {
      throw new Error("Network is unreachable (os error 101)");
    }
    reply(answer(bytes, flushed(to.hostname)), to.hostname);
  }, { targets });
  assert.deepEqual(record.targets.map(({ sent, error }) => [sent, error]), [
    [1, "Network is unreachable"],
    [5, null],
  ]);
  assert.equal(hosts.length, 2);
});

Deno.test("exchange() doesn't wait for acks when nothing could be sent", async () => {
  const { record } = await run(() => {
    throw new Error("Operation not permitted (os error 1)");
  });
  assert.equal(record.elapsedMs, 4000);
  assert.deepEqual(record.targets[0].error, "Operation not permitted");
});

Deno.test("exchange() isn't held up by a name that takes long to look up, or forever", async () => {
  const targets = ["slow.example", "192.0.2.255"].map(parseHost);
  const { sent, record } = await run(({ to }) => {
    return to.hostname === "slow.example" ? new Promise<void>(() => {}) : undefined;
  }, { targets });
  const times = sent.filter(({ to }) => to.hostname !== "slow.example").map(({ at }) => at);
  assert.deepEqual(times, [0, 1000, 2000, 3000, 4000]);
  assert.deepEqual(record.targets.map(({ sent, error }) => [sent, error]), [
    [0, "the resolver has not answered"],
    [5, null],
  ]);
  assert.equal(record.elapsedMs, 4000 + 5000 + 2000);
});

Deno.test("exchange() is not misled by a clock that is set meanwhile", async () => {
  const time = createTestTime(start);
  const network = virtualNetwork(time, () => {});
  time.after(500, () => time.step(-3_600_000));
  const record = await time.until(exchange(planOf(), network.open, time));
  assert.deepEqual(network.sent.map(({ at }) => at), [0, 1000, 2000, 3000, 4000]);
  assert.equal(record.elapsedMs, 6000);
});

Deno.test("exchange() tells what happens in order", async () => {
  const { events } = await run(hostWithClock(600_000), {
    expectation: { kind: "count", count: 1 },
  });
  assert.deepEqual(events.map(({ kind }) => kind), ["copy", "ack", "repair", "ack"]);
});

Deno.test("exchange() sends each request of a plan in each copy, and knows the acks to all", async () => {
  const addresses = [prefix("192.0.2.1")];
  const listed = { ...plannedRequest, action: "flush listed", report: true, addresses } as const;
  const requests = [plannedRequest, listed];
  const { sent, hosts, record } = await run(({ bytes, at }, reply) => {
    if (at > 0) return;
    const reports = requestIn(bytes).addresses.map(() => report("no neighbor"));
    reply(answer(bytes, flushed("web1", { reports })), "192.0.2.7");
  }, { content: { kind: "signed", key, requests } });
  assert.equal(sent.length, 10);
  const actions = sent.map(({ bytes }) => requestIn(bytes).action);
  assert.deepEqual(actions.slice(0, 2), ["flush all", "flush listed"]);
  assert.equal(record.targets[0].sent, 5);
  assert.deepEqual(hosts[0].acks.map((one) => one.addresses), [[], addresses]);
});

Deno.test("exchange() sends a password as it is, waits for nobody and hears nobody", async () => {
  const { sent, record, events } = await run(({ bytes }, reply) => reply(bytes, "192.0.2.7"), {
    content: { kind: "password", password: "TopSecret!" },
  });
  assert.deepEqual(sent.map(({ at }) => at), [0, 1000, 2000, 3000, 4000]);
  assert.ok(sent.every(({ bytes }) => new TextDecoder().decode(bytes) === "TopSecret!"));
  assert.equal(record.elapsedMs, 4000);
  assert.deepEqual([record.requestIds, record.hosts.size, record.ignored.size], [[], 0, 0]);
  assert.ok(events.every(({ kind }) => kind === "copy"));
});
