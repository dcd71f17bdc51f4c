/** Holds that the first datagram leaves before anything slow. */
import assert from "node:assert/strict";
import { runCommand, senderCommand, startStandInHost, withFolder } from "./sender_process.ts";

/** What is needed of `deno info --json`. */
interface ModuleGraph {
  readonly roots: readonly string[];
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly code?: { readonly specifier?: string };
      readonly isDynamic?: boolean;
    }[];
  }[];
}

Deno.test("main.ts loads no module before it sends that only reports need, and none of node:", async () => {
  const entry = senderCommand[senderCommand.length - 1];
  const { stdout } = await runCommand([Deno.execPath(), "info", "--json", entry]);
  const { roots, modules }: ModuleGraph = JSON.parse(stdout);
  const loaded = new Set(roots);
  // A set goes on to what is added while it is walked through.
  for (const specifier of loaded) {
    const own = modules.find((one) => one.specifier === specifier)?.dependencies ?? [];
    for (const { code, isDynamic } of own) {
      if (isDynamic !== true && code?.specifier !== undefined) loaded.add(code.specifier);
    }
  }
  const has = (text: string) => [...loaded].some((specifier) => specifier.includes(text));
  for (const name of ["sender/exchange", "wire/keys"]) assert.ok(has(`lib/${name}.ts`), name);
  const later = ["report", "json_report", "table", "syslog", "help", "history", "run_files"];
  for (const name of later) assert.ok(!has(`lib/sender/${name}.ts`), name);
  assert.ok(!has("lib/files.ts"));
  assert.ok(!has("node:"));
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
