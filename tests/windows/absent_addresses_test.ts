/** What addresses that nobody has cost everybody else. Needs root and wine/setup.sh. */
import assert from "node:assert/strict";
import { REG_DWORD, REG_SZ } from "../../lib/win32/advapi32.ts";
import { median } from "../measure/statistics.ts";
import { createRouter } from "../support/datagrams.ts";
import { samplesOf } from "../unit/metrics/samples.ts";
import { openWindowsHost, registryText, serviceName, testRouter } from "./wine/windows_host.ts";

const PARAMCHANGE = 6;
const flushed = 10;
const folder = "/prefix/drive_c/Program Files/ArpFlush/metrics";
const rounds = 4;
/** A flush, from request to ack, where nothing else runs. */
const maxFlushMs = 20;

/** How long flushes took alone and beside the addresses, ms. */
interface Times {
  readonly alone: number[];
  readonly beside: number[];
  /** The flushes' own calls beside the addresses, as the log says. */
  readonly calls: number[];
}

/** Whether nothing else held up the flushes that were alone. */
function isQuiet({ alone }: Times): boolean {
  return Math.max(...alone) <= maxFlushMs / 2;
}

Deno.test("57 absent addresses asked for hold up no flush of another router, no log, no metrics, no stop", async () => {
  await using host = await openWindowsHost();
  const { manager, session } = host;
  const set = (name: string, number: number) =>
    manager.run("setValue", name, REG_DWORD, [number, 0, 0, 0]);
  const absent = Array.from({ length: 57 }, (_, i) => `192.0.2.${100 + i}`);
  await host.setList("RouterKeys", testRouter.publicText, createRouter(2).publicText);
  for (const name of ["RefreshSeconds", "HoldDownSeconds"]) await set(name, 1);
  await set("FlushOnStart", 0);
  const path = "C:\\Program Files\\ArpFlush\\metrics\\arpflush.prom";
  await manager.run("setValue", "MetricsFile", REG_SZ, registryText(path));
  await session.unix(["mkdir", "-p", folder]);
  await manager.state("start", serviceName);
  let flushes = 0;

  /** A second router's flushes while requests and the refresher ask for these. */
  async function flushBeside(addresses: readonly string[]) {
    await host.setList("RefreshAddresses", ...addresses.length === 0 ? ["none"] : addresses);
    await manager.run("control", serviceName, PARAMCHANGE);
    // The hold-down takes three flushes a second, and the first refresh begins by then.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const times = await host.router("beside", String(addresses.length));
    assert.ok(Array.isArray(times) && times.every((time) => typeof time === "number"), `${times}`);
    const events = (await host.newEvents()).filter(({ id }) => id === flushed);
    flushes += events.length;
    const all = events.flatMap(({ text }) =>
      /^Flushed all .* in ([\d.]+) ms/.exec(text)?.[1] ?? []
    );
    assert.equal(all.length, 3, "in the log when the ack is there");
    return { times, calls: all.map(Number) };
  }

  async function measure(): Promise<Times> {
    const measured: Times = { alone: [], beside: [], calls: [] };
    for (let i = 0; i < rounds; i++) {
      measured.alone.push(...(await flushBeside([])).times);
      const { times, calls } = await flushBeside(absent);
      measured.beside.push(...times);
      measured.calls.push(...calls);
    }
    return measured;
  }

  let measured = await measure();
  // The machine may be stalled by something else once; what is ours comes again.
  if (isQuiet(measured) && Math.max(...measured.beside) > maxFlushMs) measured = await measure();
  const { alone, beside, calls } = measured;
  const { ms, exitCode } = await manager.state("stop", serviceName);
  const text = (times: readonly number[]) =>
    `${median(times).toFixed(1)} ms (worst ${Math.max(...times).toFixed(1)} ms)`;
  console.log(
    `a flush, from request to ack, under Wine: ${text(alone)}, ` +
      `beside 57 absent addresses ${text(beside)}; a stop then ${ms.toFixed(0)} ms`,
  );
  const times = `${alone}; ${beside}; ${calls}`;
  assert.ok(Math.max(...beside) <= (isQuiet(measured) ? maxFlushMs : 2_000), times);
  assert.ok(median(beside) <= maxFlushMs / 2 + 2 * median(alone), times);
  assert.ok(median(calls) <= (isQuiet(measured) ? 2 : maxFlushMs / 2), times);
  // Half a second is given to what is being resolved.
  assert.ok(ms < 2_000 && exitCode === 0, `a stop took ${ms} ms`);
  const metrics = samplesOf((await session.unix(["cat", `${folder}/arpflush.prom`])).stdout);
  flushes += (await host.newEvents()).filter(({ id }) => id === flushed).length;
  assert.equal(metrics.get('arpflush_flushes_total{result="ok"}'), flushes);
});
