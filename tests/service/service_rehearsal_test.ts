/** When the service rehearses. */
import assert from "node:assert/strict";
import { defaultSettings } from "../../lib/config/schema.ts";
import { createMemoryCache } from "../../lib/neighbors/memory.ts";
import type { ReceiverRules } from "../../lib/receiver/receiver.ts";
import { startService } from "../../lib/service/running_service.ts";
import { generateKeyFile, parseKeyFile } from "../../lib/wire/keyring.ts";

/** A service whose rehearsals all fail; `rehearsed` are the ids of the keys they were given. */
async function startRehearsing(texts: readonly string[]) {
  const rehearsed: (string | undefined)[] = [];
  const settings = { ...defaultSettings(), Listen: "127.0.0.1", Port: 0, KeyFile: "/k" };
  let reads = 0;
  const service = await startService(settings, {
    cache: createMemoryCache(),
    report: () => {},
    hostName: "host1",
    readKeyFile: () => texts[reads++],
    rehearse(rules: ReceiverRules) {
      rehearsed.push(rules.keyring?.signing.idText);
      return Promise.reject(new Error("no rehearsal today"));
    },
  });
  return { service, rehearsed, settings: { ...settings, Port: service.port } };
}

/** Lets timers that are due run. */
const soon = () => new Promise((resolve) => setTimeout(resolve, 20));

Deno.test("startService() rehearses with its keys, and with new ones, and bears a rehearsal that fails", async () => {
  const texts = [generateKeyFile(new Date()), generateKeyFile(new Date())];
  const { service, rehearsed, settings } = await startRehearsing(texts);
  await soon();
  await service.reload(settings);
  await soon();
  assert.deepEqual(rehearsed, texts.map((text) => parseKeyFile(text).signing.idText));
  await service.stop();
});

Deno.test("startService() is done before it rehearses, and doesn't when it is stopped by then", async () => {
  const { service, rehearsed } = await startRehearsing([generateKeyFile(new Date())]);
  await service.stop();
  await soon();
  assert.deepEqual(rehearsed, []);
});
