/** When the service rehearses. */
import assert from "node:assert/strict";
import { defaultSettings } from "../../lib/config/schema.ts";
import { createMemoryCache } from "../../lib/neighbors/memory.ts";
import type { ReceiverRules } from "../../lib/receiver/receiver.ts";
import { startService } from "../../lib/service/running_service.ts";
import { generateKeyFile, parseKeyFile } from "../../lib/wire/keyring.ts";

Deno.test("startService() rehearses with its keys, and with new ones, and bears a rehearsal that fails", async () => {
  const texts = [generateKeyFile(new Date()), generateKeyFile(new Date())];
  const rehearsed: (string | undefined)[] = [];
  const settings = { ...defaultSettings(), Listen: "127.0.0.1", Port: 0, KeyFile: "/k" };
  let current = texts[0];
  const service = await startService(settings, {
    cache: createMemoryCache(),
    report: () => {},
    hostName: "host1",
    readKeyFile: () => current,
    rehearse(rules: ReceiverRules) {
      rehearsed.push(rules.keyring?.signing.idText);
      return Promise.reject(new Error("no rehearsal today"));
    },
  });
  current = texts[1];
  await service.reload({ ...settings, Port: service.port });
  assert.deepEqual(rehearsed, texts.map((text) => parseKeyFile(text).signing.idText));
  await service.stop();
});
