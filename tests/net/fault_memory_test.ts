/** A service that may have no more than 128 MiB, and is sent whatever makes it remember something. */
import assert from "node:assert/strict";
import { type Asker, openAsker } from "../load/asker.ts";
import { keyFile, prepareGround } from "../load/faulty_host.ts";
import { openMemoryGroup } from "../load/memory_limit.ts";
import { openSegment, routerMac } from "./chain.ts";

const limit = 128 * 2 ** 20;
/** More live ids than the replay window holds. */
const idsMost = 5_000;

const trial = await openMemoryGroup(limit);
const lack = "missing" in trial ? trial.missing : null;
if (!("missing" in trial)) await trial[Symbol.asyncDispose]();
if (lack !== null) console.log(`Left out: the memory limit's test, for want of ${lack}`);

/** Sends so many of each kind, a few at a time so that the socket can hold them. */
async function burden(asker: Asker, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const forged = asker.sign();
    forged[forged.length - 1] ^= 1;
    await asker.send(forged);
    await asker.send(crypto.getRandomValues(new Uint8Array(1 + i % 1_400)));
    await asker.send(asker.sign({ created: Date.now() - 3_600_000 }));
    if (i < idsMost) await asker.send(asker.sign({ action: "probe" }));
    if (i % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

Deno.test(
  "service.ts lives in 128 MiB, whatever it is sent",
  { ignore: lack !== null },
  async () => {
    const group = await openMemoryGroup(limit);
    assert.ok(!("missing" in group));
    await using _group = group;
    await using segment = await openSegment();
    const host = await segment.host();
    await using ground = await prepareGround(host, "memory");
    await using service = await ground.start([], "", group.join);
    await service.line(/Started/);
    {
      using asker = openAsker(await Deno.readTextFile(keyFile), "192.0.2.100");
      await burden(asker, 10_000);
    }
    await host.goStale();
    const { code, stdout, stderr } = await segment.send("-a", "--expect", "1");
    assert.equal(code, 0, stdout + stderr);
    assert.equal(await host.linkLayerAddressOf("192.0.2.1"), routerMac);
    const peak = await group.peak();
    assert.ok(peak > 10 * 2 ** 20 && peak <= limit, `${peak} bytes`);
    assert.equal(await service.stop("SIGTERM"), 0);
  },
);
