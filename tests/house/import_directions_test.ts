/** Holds the directions of imports in docs/architecture.md, as `deno info` reads them. */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";

/** The rooms of lib/ that each room may import, besides itself and what is in no room. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  wire: [],
  win32: ["wire"],
  libc: [],
  ask: ["wire", "libc"],
  neighbors: ["wire"],
  config: ["wire"],
  log: ["config"],
  receiver: ["wire", "neighbors", "log"],
  sender: ["wire", "ask", "libc", "follow", "neighbors"],
  follow: ["wire", "sender", "ask"],
  metrics: ["log", "receiver"],
  service: ["wire", "neighbors", "config", "log", "receiver", "metrics"],
};
/** Rooms with a platform: their modules for Windows may import win32. */
const roomsOfWindows = ["neighbors", "config", "log", "service"];
const entries = ["send.ts", "service.ts"];

/** One import: a path from the project's folder, or what it is otherwise, `node:fs` or `npm:/…`. */
interface Import {
  readonly target: string;
  readonly isDynamic: boolean;
}

/** What is read of `deno info --json`. */
interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly code?: { readonly specifier: string };
    readonly type?: { readonly specifier: string };
    readonly isDynamic?: boolean;
  }[];
}

const root = new URL("../../", import.meta.url);
const files = [...entries, ...await modulesIn("lib"), ...await modulesIn("packaging")];
const graph = await readGraph([...files, ...await modulesIn("tests")]);
const library = [...graph.keys()].filter((path) => path.startsWith("lib/"));

async function modulesIn(folder: string): Promise<string[]> {
  const found = await Array.fromAsync(Deno.readDir(new URL(folder, root)));
  const paths = found.map(async ({ name, isDirectory }) => {
    if (isDirectory) return await modulesIn(`${folder}/${name}`);
    return name.endsWith(".ts") ? [`${folder}/${name}`] : [];
  });
  return (await Promise.all(paths)).flat();
}

/** What modules import, for values or types, and what those import. */
async function readGraph(paths: readonly string[]): Promise<ReadonlyMap<string, Import[]>> {
  const all = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(
      all,
      paths.map((path) => `import "${new URL(path, root)}";\n`).join(""),
    );
    const config = ["--config", `${import.meta.dirname}/../../deno.json`];
    const text = await run([Deno.execPath(), "info", "--json", ...config, all]);
    const { modules }: { readonly modules: readonly Module[] } = JSON.parse(text);
    const shortened = (specifier = "") => specifier.replace(root.href, "");
    return new Map(modules.map(({ specifier, dependencies = [] }) => [
      shortened(specifier),
      dependencies.map(({ code, type, isDynamic = false }) => ({
        target: shortened(code?.specifier ?? type?.specifier),
        isDynamic,
      })),
    ]));
  } finally {
    await Deno.remove(all);
  }
}

/** `wire` for lib/wire/ack.ts; none for lib/errors.ts, which every room may import, and what isn't in lib/. */
function roomOf(path: string): string {
  return /^lib\/([^/]+)\//.exec(path)?.[1] ?? "";
}

function isOfWindows(path: string): boolean {
  return roomsOfWindows.includes(roomOf(path)) && /\/(windows|registry)[^/]*$/.test(path);
}

function mayImport(path: string, target: string): boolean {
  const [from, to] = [roomOf(path), roomOf(target)];
  return to === "" || from === to || allowed[from]?.includes(to) ||
    to === "win32" && isOfWindows(path);
}

/** Everything that a module loads, itself included. */
function loadedBy(start: string, follows: (edge: Import) => boolean = () => true): string[] {
  const loaded = new Set([start]);
  for (const path of loaded) {
    for (const edge of graph.get(path)?.filter(follows) ?? []) loaded.add(edge.target);
  }
  return [...loaded];
}

Deno.test("every import of lib/ goes in an allowed direction", () => {
  assert.deepEqual(new Set(library.map(roomOf)), new Set(["", ...Object.keys(allowed)]));
  const wrong = library.flatMap((path) =>
    (graph.get(path) ?? []).filter(({ target }) => !mayImport(path, target))
      .map(({ target }) => `${path} -> ${target}`)
  );
  assert.deepEqual(wrong, []);
  const used = new Set(
    library.flatMap((path) =>
      (graph.get(path) ?? []).map(({ target }) => `${roomOf(path)} -> ${roomOf(target)}`)
    ),
  );
  const all = Object.entries(allowed).flatMap(([from, to]) => to.map((one) => `${from} -> ${one}`));
  assert.deepEqual(all.filter((arrow) => !used.has(arrow)), []);
});

Deno.test("no module of lib/ imports itself by way of others", () => {
  const inCircles = library.filter((path) =>
    graph.get(path)?.some(({ target }) => loadedBy(target).includes(path))
  );
  assert.deepEqual(inCircles, []);
});

Deno.test("no module imports an entry", () => {
  const imported = [...graph].filter(([path]) => !path.startsWith("file:"))
    .flatMap(([, imports]) => imports.map(({ target }) => target));
  assert.deepEqual(imported.filter((target) => entries.includes(target)), []);
});

Deno.test("the sender loads no other room, and no node: module before it sends", () => {
  // A name on the command line has the resolver loaded, --ask has its room, and nothing else has.
  const loaded = loadedBy("send.ts", ({ isDynamic }) => !isDynamic);
  const rooms = ["", "sender", "wire"];
  const others = loaded.filter((path) => path.startsWith("lib/") && !rooms.includes(roomOf(path)));
  assert.deepEqual(others, ["lib/ask/verdicts.ts"]);
  // What only reports need comes later, too.
  const later = ["report", "summary", "table", "help", "history", "run_files"];
  for (
    const path of [
      ...later.map((name) => `lib/sender/${name}.ts`),
      "lib/files.ts",
      "lib/unix_datagram.ts",
    ]
  ) {
    assert.ok(graph.has(path) && !loaded.includes(path), path);
  }
  // In its bundle whatever is imported statically is loaded at the start, wherever that is.
  const statically = loadedBy("send.ts").flatMap((path) =>
    (graph.get(path) ?? []).filter(({ target, isDynamic }) =>
      target.startsWith("node:") && !isDynamic
    )
      .map(({ target }) => `${path} -> ${target}`)
  );
  assert.deepEqual(statically, []);
});

Deno.test("the service on Linux loads no binding of Windows", () => {
  const loaded = loadedBy(
    "service.ts",
    ({ target, isDynamic }) => !(isDynamic && isOfWindows(target)),
  );
  assert.ok(loaded.includes("lib/neighbors/linux.ts"), "the way to the cache was not followed");
  assert.deepEqual(loaded.filter((path) => roomOf(path) === "win32"), []);
});

Deno.test("only lib/win32 and lib/libc open libraries, and no module imports what it computes", async () => {
  for (const path of library) {
    const text = await Deno.readTextFile(new URL(path, root));
    if (!["win32", "libc"].includes(roomOf(path))) assert.ok(!text.includes("Deno.dlopen"), path);
    assert.doesNotMatch(text, /\bimport\(\s*[^"\s]/, path);
  }
});

/** What a module imports by name from others, as `PATH NAME`; `PATH *` for all of one. */
function importedNames(path: string, text: string): string[] {
  const clauses = Array.from(
    text.matchAll(/\bimport (?:type )?([^;"]*?) from "(\.[^"]+)"/gs),
    ([, clause, specifier]) => [clause, specifier],
  );
  // Of a module that is loaded when it is needed: the words around it.
  for (const { index, 1: specifier } of text.matchAll(/\bimport\(\s*"(\.[^"]+)"/g)) {
    clauses.push([text.slice(Math.max(0, index - 150), index + 150), specifier]);
  }
  return clauses.flatMap(([clause, specifier]) => {
    const target = new URL(specifier, `file:///${path}`).pathname.slice(1);
    return (clause.match(/[\w*]+/g) ?? []).map((name) => `${target} ${name}`);
  });
}

const exporting = /^export (?:async )?(?:function\*?|const|class|interface|type|enum) (\w+)/gm;

Deno.test("no module exports what no other imports", async () => {
  const texts = new Map<string, string>();
  for (const path of [...files, ...await modulesIn("tests")]) {
    texts.set(path, await Deno.readTextFile(new URL(path, root)));
  }
  const imported = new Set([...texts].flatMap(([path, text]) => importedNames(path, text)));
  const unused = [...texts].flatMap(([path, text]) =>
    imported.has(`${path} *`)
      ? []
      : Array.from(text.matchAll(exporting), ([, name]) => `${path} ${name}`)
  ).filter((one) => !imported.has(one));
  assert.deepEqual(unused, []);
});

Deno.test("no function of lib/ is longer than 80 lines", async () => {
  const long: string[] = [];
  for (const path of library) {
    const lines = (await Deno.readTextFile(new URL(path, root))).split("\n");
    lines.forEach((line, i) => {
      const [, indent] = /^( {0,2})(?:export )?(?:async )?(?:function\*? \w+|#?\w+\()/.exec(line) ??
        [];
      if (indent === undefined || /^ *(if|for|while|switch|return)\b|;$/.test(line)) return;
      // Of a declaration without a body the end is a parenthesis.
      const length = lines.slice(i).findIndex((other) =>
        other.startsWith(`${indent}}`) || other.startsWith(`${indent})`) && other.endsWith(";")
      );
      if (length > 80) long.push(`${path}:${i + 1} ${length} lines`);
    });
  }
  assert.deepEqual(long, []);
});
