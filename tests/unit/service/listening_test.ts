import assert from "node:assert/strict";
import { defaultSettings } from "../../../lib/config/settings.ts";
import {
  deafToBroadcasts,
  type ReadPortOwners,
  watchPort,
} from "../../../lib/service/listening.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import { createTestTime } from "../../support/test_time.ts";
import { keepReport } from "../receiver/harness.ts";

function start(listen: readonly string[]) {
  const time = createTestTime();
  const { report, said } = keepReport();
  const owners: ReturnType<ReadPortOwners>[number][] = [];
  let isBroken = false;
  const { look, stop } = watchPort(
    { addresses: listen, port: 27_735 },
    (port) => {
      if (isBroken) throw new Error("GetExtendedUdpTable returned 8");
      return port === 27_735 ? owners : [];
    },
    report,
    time,
  );
  const add = (pid: number, address: string) => owners.push({ pid, address: parsePrefix(address) });
  const texts = () =>
    said.map(({ event, values: { pid, address } }) => `${event} ${pid} ${address}`);
  return {
    time,
    owners,
    add,
    texts,
    look,
    stop,
    fail: (broken: boolean) => void (isBroken = broken),
  };
}

Deno.test("watchPort() reports each process that comes to the port, once while it stays", () => {
  const { time, owners, add, texts, stop, fail } = start(["0.0.0.0"]);
  assert.deepEqual(texts(), []);
  add(7, "192.0.2.5");
  time.pass(60_000);
  add(8, "0.0.0.0");
  fail(true);
  time.pass(60_000);
  fail(false);
  time.pass(120_000);
  const first = ["portShared 7 192.0.2.5", "portShared 8 0.0.0.0"];
  assert.deepEqual(texts(), first);
  const gone = owners.splice(0);
  time.pass(60_000);
  owners.push(...gone);
  time.pass(60_000);
  assert.deepEqual(texts(), [...first, ...first]);
  stop();
  assert.equal(time.timers, 0);
});

for (
  const [own, their, isReported] of [
    ["192.0.2.5", "0.0.0.0", true],
    ["192.0.2.5", "192.0.2.5", true],
    ["192.0.2.5", "192.0.2.6", false],
    ["192.0.2.5", "::", true],
    ["0.0.0.0", "2001:db8::5", false],
    ["::", "0.0.0.0", false],
    ["::", "2001:db8::5", true],
  ] as const
) {
  Deno.test(`watchPort() reports ${isReported ? "" : "no "}${their} beside ${own}`, () => {
    const { time, look, add, texts } = start([own]);
    add(7, their);
    look();
    assert.equal(time.timers, 1);
    assert.equal(texts().length, isReported ? 1 : 0);
  });
}

for (
  const [address, os, hears] of [
    ["192.0.2.20", "linux", false],
    ["2001:db8::20", "linux", false],
    ["0.0.0.0", "linux", true],
    ["::", "linux", true],
    ["127.0.0.1", "linux", true],
    ["192.0.2.20", "windows", true],
  ] as const
) {
  Deno.test(`deafToBroadcasts() says ${!hears} of ${address} on ${os}`, () => {
    const Listen = ["127.0.0.1", address].map(parsePrefix);
    assert.deepEqual(
      deafToBroadcasts({ ...defaultSettings(), Listen }, os),
      hears ? [] : [address],
    );
  });
}
