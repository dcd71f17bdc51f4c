/** Holds the directions of docs/architecture.md: "Who may import whom". */
import assert from "node:assert/strict";
import {
  hasComputedImport,
  type Import,
  importsOf,
  loadedBy,
  type Source,
  sourcesIn,
} from "./sources.ts";

/** The rooms that each room may import; itself and version.ts always. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  wire: [],
  win32: ["wire"],
  neighbors: ["wire"],
  config: ["wire"],
  log: ["wire", "config"],
  receiver: ["wire", "neighbors", "config", "log"],
  sender: ["wire"],
  metrics: ["log", "receiver"],
  service: ["wire", "neighbors", "config", "log", "receiver", "metrics"],
};
const roomsOfWindows = ["neighbors", "config", "log", "service"];
const entries = ["send.ts", "service.ts"];

const library = await sourcesIn(["lib", ...entries]);

/** `wire` for lib/wire/ack.ts; null for what is in no room. */
function roomOf(path: string): string | null {
  return /^lib\/([^/]+)\//.exec(path)?.[1] ?? null;
}

/** Bindings of Windows are for modules named so, in rooms with a platform. */
function isOfWindows(path: string): boolean {
  const room = roomOf(path);
  return room !== null && roomsOfWindows.includes(room) && /\/(windows|registry)[^/]*$/.test(path);
}

/** Every arrow that the rooms don't allow, as text. */
function wrongArrows(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, imports }) =>
    imports.filter(({ target }) => !mayImport(path, target))
      .map(({ target }) => `${path} -> ${target}`)
  );
}

/** The modules that come back to themselves by what they import. */
function inCircles(sources: readonly Source[]): string[] {
  const reach = (target: string) => loadedBy(target, sources);
  return sources.filter(({ path, imports }) =>
    imports.some(({ target }) => reach(target).has(path))
  )
    .map(({ path }) => path);
}

function mayImport(path: string, target: string): boolean {
  const [from, to] = [roomOf(path), roomOf(target)];
  if (from === null || to === null) return !entries.includes(target);
  if (from === to) return true;
  return (allowed[from] ?? []).includes(to) || to === "win32" && isOfWindows(path);
}

Deno.test("every import goes in an allowed direction", () => {
  assert.ok(library.length > 50, "the modules were not found");
  assert.deepEqual(wrongArrows(library), []);
  assert.deepEqual(library.filter(({ text }) => hasComputedImport(text)), []);
});

Deno.test("no module imports itself by way of others", () => {
  assert.deepEqual(inCircles(library), []);
});

Deno.test("inCircles() sees a circle through dynamic and type imports alike", () => {
  const circle: readonly [string, string][] = [
    ["lib/wire/a.ts", 'import type { B } from "./b.ts";'],
    ["lib/wire/b.ts", 'const c = await import("./c.ts");'],
    ["lib/wire/c.ts", 'import { a } from "./a.ts";'],
    ["lib/wire/d.ts", 'import { a } from "./a.ts";'],
  ];
  const sources = circle.map(([path, text]) => ({ path, text, imports: importsOf(path, text) }));
  assert.deepEqual(inCircles(sources), ["lib/wire/a.ts", "lib/wire/b.ts", "lib/wire/c.ts"]);
});

Deno.test("every room has its directions", () => {
  const rooms = new Set(library.map(({ path }) => roomOf(path)).filter((room) => room !== null));
  assert.deepEqual([...rooms].sort(), Object.keys(allowed).sort());
});

Deno.test("no module of the project imports an entry", async () => {
  const everything = await sourcesIn(["lib", "packaging", "tests", ...entries]);
  const imported = everything.flatMap(({ imports }) => imports.map(({ target }) => target));
  assert.deepEqual(imported.filter((target) => entries.includes(target)), []);
});

Deno.test("the sender loads no other room and no node: module", () => {
  const loaded = [...loadedBy("send.ts", library)];
  const rooms = new Set(loaded.map(roomOf).filter((room) => room !== null));
  assert.deepEqual([...rooms].sort(), ["sender", "wire"]);
  assert.deepEqual(loaded.filter((target) => target.startsWith("node:")), []);
});

Deno.test("only lib/win32 opens libraries", () => {
  const opening = library.filter(({ text }) => text.includes("Deno.dlopen"));
  assert.deepEqual(new Set(opening.map(({ path }) => roomOf(path))), new Set(["win32"]));
});

Deno.test("the service on Linux loads no binding of Windows", () => {
  const onLinux = ({ target, dynamic }: Import) => !(dynamic && isOfWindows(target));
  const loaded = [...loadedBy("service.ts", library, onLinux)];
  assert.ok(loaded.includes("lib/neighbors/linux.ts"), "the way to the cache was not followed");
  assert.deepEqual(loaded.filter((path) => roomOf(path) === "win32"), []);
});

Deno.test("wrongArrows() sees static, dynamic and side-effect imports alike", () => {
  const path = "lib/sender/extra.ts";
  const text = [
    'import {\n  a,\n  b,\n} from "../receiver/accept.ts";',
    'export * from "../log/events.ts";',
    'import "../neighbors/linux.ts";',
    'const c = await import("../service/program.ts");',
    'import type { D } from "../../service.ts";',
    'const text = `import it from "../config/schema.ts"`;',
    'import { e } from "../wire/ack.ts";',
  ].join("\n");
  assert.deepEqual(wrongArrows([{ path, text, imports: importsOf(path, text) }]).sort(), [
    "lib/sender/extra.ts -> lib/log/events.ts",
    "lib/sender/extra.ts -> lib/neighbors/linux.ts",
    "lib/sender/extra.ts -> lib/receiver/accept.ts",
    "lib/sender/extra.ts -> lib/service/program.ts",
    "lib/sender/extra.ts -> service.ts",
  ]);
  assert.equal(hasComputedImport(text), false);
  assert.equal(hasComputedImport("await import(name)"), true);
});
