/** Holds that the first datagram leaves before anything slow. */
import assert from "node:assert/strict";
import { runCommand, senderCommand, startStandInHost, withFolder } from "./sender_process.ts";

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
    await using host = startStandInHost(() => [{}]);
    await Deno.writeTextFile(`${folder}/watchman.js`, watchman);
    const [deno, run, ...rest] = senderCommand;
    const args = [
      "-k",
      keyFile,
      "-p",
      `${host.port}`,
      ..."--no-verify -c 2 -i 20ms -w 500ms".split(" "),
    ];
    const line = [deno, run, "--preload", `${folder}/watchman.js`, ...rest, ...args, "127.0.0.1"];
    const { code, stderr } = await runCommand(line);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.equal(host.received.length, 2);
  }));
