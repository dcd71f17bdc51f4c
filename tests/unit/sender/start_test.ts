/** Holds that the first datagram leaves before anything slow. */
import assert from "node:assert/strict";
import { ack } from "./helpers.ts";
import { runCommand, senderCommand, withFolder } from "./sender_process.ts";
import { startStandInHost } from "./stand_in_host.ts";

/** The modules that a module names in static imports of values, and theirs, as paths in lib/. */
async function loadedBy(path: string, loaded = new Set<string>()): Promise<Set<string>> {
  if (loaded.has(path)) return loaded;
  loaded.add(path);
  const file = new URL(`../../../${path}`, import.meta.url);
  const text = await Deno.readTextFile(file);
  for (const [, types, target] of text.matchAll(/^import (type )?[^;]*?from "([^"]+)";/gms)) {
    if (types !== undefined || !target.startsWith(".")) continue;
    const { pathname } = new URL(target, `file:///${path}`);
    await loadedBy(pathname.slice(1), loaded);
  }
  return loaded;
}

Deno.test("main.ts loads no module before it sends that only reports need", async () => {
  const loaded = await loadedBy("send.ts");
  assert.ok(loaded.has("lib/sender/exchange.ts"));
  assert.ok(loaded.has("lib/wire/keys.ts"));
  const late = ["report", "table", "syslog", "help"];
  for (const name of late) assert.ok(!loaded.has(`lib/sender/${name}.ts`), name);
});

/** Ends the process with code 99 if it does something slow before a datagram is with the system. */
const watchman = `
let sent = false;
const guard = (name, f) => (...args) => {
  if (!sent) {
    console.error("Too early: " + name);
    Deno.exit(99);
  }
  return f(...args);
};
globalThis.setTimeout = guard("setTimeout", globalThis.setTimeout);
const isTerminal = Deno.stdout.isTerminal.bind(Deno.stdout);
Deno.stdout.isTerminal = guard("isTerminal", isTerminal);
const listenDatagram = Deno.listenDatagram;
Deno.listenDatagram = (options) => {
  const socket = listenDatagram(options);
  const send = socket.send.bind(socket);
  socket.send = async (...args) => {
    const count = await send(...args);
    sent = true;
    return count;
  };
  return socket;
};
`;

Deno.test("send.ts sets no timer and asks no terminal before its first datagram has left", () =>
  withFolder(async (folder, keyFile) => {
    await using host = startStandInHost((request) => [ack(request, "flushed")]);
    await Deno.writeTextFile(`${folder}/watchman.js`, watchman);
    const [deno, run, ...rest] = senderCommand;
    const args = [
      "-k",
      keyFile,
      "-p",
      `${host.port}`,
      "--no-verify",
      "-c",
      "2",
      "-i",
      "20ms",
      "-w",
      "1",
    ];
    const line = [deno, run, "--preload", `${folder}/watchman.js`, ...rest, ...args, "127.0.0.1"];
    const { code, stderr } = await runCommand(line);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.equal(host.received.length, 2);
  }));
