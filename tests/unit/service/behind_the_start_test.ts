/** What the service does behind its start, when nobody waits for it any more. */
import assert from "node:assert/strict";
import { defaultSettings } from "../../../lib/config/settings.ts";
import { createMemoryCache } from "../../../lib/neighbors/memory.ts";
import type { ReceiverRules } from "../../../lib/receiver/receiver.ts";
import { startService } from "../../../lib/service/running_service.ts";
import { generateKeyFile, parseKeyFile } from "../../../lib/wire/keys.ts";

/**
 * A service whose rehearsals all fail; `rehearsed` are the ids of the keys they were given, and
 * `readings` how often it read the host's addresses.
 */
async function startWatched(texts: readonly string[]) {
  const rehearsed: (string | undefined)[] = [];
  const settings = { ...defaultSettings(), Listen: "127.0.0.1", Port: 0, KeyFile: "/k" };
  let keyReadings = 0;
  let readings = 0;
  const service = await startService(settings, {
    cache: createMemoryCache(),
    report: () => {},
    hostName: "host1",
    readKeyFile: () => texts[keyReadings++],
    readAddresses() {
      readings++;
      return [];
    },
    rehearse(rules: ReceiverRules) {
      rehearsed.push(rules.keyring?.signing.idText);
      return Promise.reject(new Error("no rehearsal today"));
    },
  });
  return {
    service,
    rehearsed,
    settings: { ...settings, Port: service.port },
    get readings() {
      return readings;
    },
  };
}

/** Lets timers that are due run. */
const soon = () => new Promise((resolve) => setTimeout(resolve, 20));

Deno.test("startService() rehearses with its keys, and with new ones, and bears a rehearsal that fails", async () => {
  const texts = [generateKeyFile(new Date()), generateKeyFile(new Date())];
  const { service, rehearsed, settings } = await startWatched(texts);
  await soon();
  await service.reload(settings);
  await soon();
  assert.deepEqual(rehearsed, texts.map((text) => parseKeyFile(text).signing.idText));
  await service.stop();
});

Deno.test("startService() reads the host's networks without waiting for a datagram", async () => {
  const started = await startWatched([generateKeyFile(new Date())]);
  assert.equal(started.readings, 0, "the start doesn't wait for it");
  await soon();
  assert.equal(started.readings, 1);
  await started.service.stop();
});

Deno.test("startService() leaves out what was to come behind the start when it is stopped by then", async () => {
  const started = await startWatched([generateKeyFile(new Date())]);
  await started.service.stop();
  await soon();
  assert.deepEqual(started.rehearsed, []);
  assert.equal(started.readings, 0);
});
