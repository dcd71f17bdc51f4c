import assert from "node:assert/strict";
import fc from "fast-check";
import { type NotifyLine, NotifyLines } from "../../../lib/follow/notify_fifo.ts";

const utf8 = new TextEncoder();
const read = (text: string) => new NotifyLines().add(utf8.encode(text));

const known: [text: string, type: NotifyLine["type"], name: string, state: string][] = [
  ['INSTANCE "V1" MASTER 50', "INSTANCE", "V1", "MASTER"],
  ['GROUP "G0" STOP 0', "GROUP", "G0", "STOP"],
  ['INSTANCE "V 1" MASTER_RX_LOWER_PRI 100', "INSTANCE", "V 1", "MASTER_RX_LOWER_PRI"],
  ['INSTANCE "a" BACKUP 1" FAULT 255\r', "INSTANCE", 'a" BACKUP 1', "FAULT"],
  ["INSTANCE V1 BACKUP", "INSTANCE", "V1", "BACKUP"],
  ['INSTANCE "" MASTER 1', "INSTANCE", "", "MASTER"],
];
for (const [text, type, name, state] of known) {
  Deno.test(`NotifyLines reads ${JSON.stringify(text)}`, () => {
    assert.deepEqual(read(`${text}\n`), [{ type, name, state }]);
  });
}

Deno.test("NotifyLines takes nothing for true that stood before the mark", () => {
  const lines = new NotifyLines();
  lines.add(utf8.encode('INSTANCE "torn'));
  lines.restart("MARK 7");
  const text = ['GROUP "old" MASTER 0', "garbage", 'INSTANCE "old', "MARK 7", 'GROUP "g" STOP 0'];
  const said = lines.add(utf8.encode(text.map((line) => `${line}\n`).join("")));
  assert.deepEqual([said.map(({ name }) => name), lines.unknown], [["g"], 0]);
});

Deno.test("NotifyLines counts lines of other words, and says nothing of empty ones", () => {
  const lines = new NotifyLines();
  const other = ["VS [192.0.2.9]:tcp:80 UP", 'INSTANCE "V1" DELETED 0', 'INSTANCE "V1"', "MASTER"];
  const text = other.map((line) => `${line}\n\n`).join("");
  assert.deepEqual(lines.add(utf8.encode(text)), []);
  assert.deepEqual([lines.unknown, lines.lastUnknown], [other.length, "MASTER"]);
});

Deno.test("NotifyLines leaves out a line without an end, however long, and reads the next", () => {
  const lines = new NotifyLines();
  for (let i = 0; i < 1_000; i++) assert.deepEqual(lines.add(new Uint8Array(64).fill(65)), []);
  assert.equal(lines.add(utf8.encode('\nINSTANCE "V1" MASTER 50\n')).length, 1);
  assert.deepEqual([lines.unknown, lines.lastUnknown.length], [1, 1_024]);
});

Deno.test("NotifyLines reads the same however the bytes are torn", () => {
  const name = fc.string({ unit: "binary", maxLength: 20 }).filter((text) => !/[\r\n]/.test(text));
  const line = fc.oneof(
    fc.tuple(
      fc.constantFrom("INSTANCE", "GROUP", "VS"),
      name,
      fc.constantFrom("MASTER", "STOP", "X"),
    )
      .map(([type, name, state]) => `${type} "${name}" ${state} 50`),
    fc.string({ unit: "binary", maxLength: 2_000 }),
  );
  fc.assert(fc.property(fc.array(line), fc.array(fc.nat(40)), (texts, cuts) => {
    const bytes = utf8.encode(texts.map((text) => `${text}\n`).join(""));
    const [whole, torn] = [new NotifyLines(), new NotifyLines()];
    const parts: Uint8Array[] = [];
    let from = 0;
    for (const cut of cuts) parts.push(bytes.subarray(from, from += cut));
    const read = [...parts, bytes.subarray(from)].flatMap((part) => torn.add(part));
    assert.deepEqual(read, whole.add(bytes));
    assert.equal(torn.unknown, whole.unknown);
  }));
});

Deno.test("NotifyLines takes any bytes", () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 3_000 })), (parts) => {
    const lines = new NotifyLines();
    for (const part of parts) lines.add(part);
    assert.equal(lines.add(utf8.encode('\nGROUP "g" MASTER 0\n')).at(-1)?.name, "g");
    assert.ok(lines.lastUnknown.length <= 1_024);
  }));
});
