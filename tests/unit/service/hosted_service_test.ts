/** The service as its host has it, over real sockets and with the cache in memory. */
import assert from "node:assert/strict";
import { parseSettingsText } from "../../../lib/config/file.ts";
import { defaultSettings, type Settings } from "../../../lib/config/settings.ts";
import {
  type HostParts,
  type NetworkWatch,
  startHostedService,
} from "../../../lib/service/running_service.ts";
import { StartError } from "../../../lib/service/start_error.ts";
import { generateKeyFile } from "../../../lib/wire/keys.ts";
import { notingCache } from "../receiver/harness.ts";
import { keepReport } from "../receiver/helpers.ts";

const keyText = generateKeyFile(new Date());

const { origins } = parseSettingsText("", "arpflush.toml");

/** A host's parts; settings can be changed, and a change of the network made. */
function createHost(changes: Partial<HostParts> = {}, fault: string | null = null) {
  const { report, said } = keepReport();
  const { cache, flushes } = notingCache();
  const levels: string[] = [];
  let settings = { ...defaultSettings(), Listen: "127.0.0.1", Port: 0, KeyFile: "/k" };
  let problem: Error | null = null;
  let changed = () => {};
  const network: NetworkWatch = { fault, onChange: (given) => void (changed = given) };
  const parts: HostParts = {
    load() {
      if (problem !== null) throw problem;
      return { settings, origins };
    },
    configureLog: ({ LogLevel }) => (levels.push(LogLevel), report),
    openCache: () => Promise.resolve(cache),
    readKeyFile: () => keyText,
    report,
    network,
    ...changes,
  };
  return {
    parts,
    said,
    flushes,
    levels,
    changeNetwork: () => changed(),
    set: (given: Partial<Settings>) => void (settings = { ...settings, ...given }),
    breakSettings: (error: Error) => void (problem = error),
  };
}

const names = (said: readonly { event: string }[]) => said.map(({ event }) => event);

Deno.test("startHostedService() sets the log up as settings want it, flushes and says so", async () => {
  const { parts, said, flushes, levels } = createHost();
  const service = await startHostedService(parts);
  assert.deepEqual(flushes, ["all"]);
  assert.deepEqual(levels, ["info"]);
  assert.deepEqual(names(said), ["flushed", "started"]);
  await service.stop();
  assert.equal(names(said).at(-1), "stopped");
});

Deno.test("startHostedService() flushes after a change of the network", async () => {
  const { parts, flushes, said, changeNetwork } = createHost();
  const service = await startHostedService(parts);
  changeNetwork();
  await service.stop();
  assert.deepEqual(flushes, ["all", "all"]);
  const [, , second] = said;
  assert.equal(second.values?.who, "a change of the network");
});

Deno.test("startHostedService() says that the network can't be watched, and goes on", async () => {
  const { parts, said } = createHost({}, "NotifyIpInterfaceChange: error 50");
  const service = await startHostedService(parts);
  assert.deepEqual(names(said), ["flushed", "started", "networkUnwatched"]);
  await service.stop();
});

Deno.test("startHostedService() reloads settings and log, or keeps both and says why", async () => {
  const { parts, said, levels, set, breakSettings } = createHost();
  const service = await startHostedService(parts);
  set({ LogLevel: "error" });
  await service.reload();
  assert.deepEqual(levels, ["info", "error"]);
  breakSettings(new Error("Port: 70000 is not a whole number"));
  await service.reload();
  assert.deepEqual(levels, ["info", "error"]);
  assert.deepEqual(names(said).slice(2), ["reloaded", "reloadRefused"]);
  assert.equal(said.at(-1)?.values?.error, "Port: 70000 is not a whole number");
  await service.stop();
});

Deno.test("startHostedService() names what a start fails at, and leaves it to the host to say", async () => {
  const cases: [string, Partial<HostParts>][] = [
    ["settingsInvalid", {
      load() {
        throw new Error("Port: 0");
      },
    }],
    ["cacheUnusable", { openCache: () => Promise.reject(new Error("no iphlpapi.dll")) }],
    ["keyMissing", { readKeyFile: () => null }],
  ];
  for (const [event, changes] of cases) {
    const { parts, said } = createHost(changes);
    const error = await startHostedService(parts).catch((error) => error);
    assert.ok(error instanceof StartError);
    assert.equal(error.event, event);
    assert.deepEqual(said, []);
  }
});
