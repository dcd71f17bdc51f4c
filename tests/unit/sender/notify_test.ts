import assert from "node:assert/strict";
import { splitNotification } from "../../../lib/sender/arguments.ts";

function split(...args: string[]) {
  const { args: own, notification: { type, name, state } } = splitNotification(args);
  return [own.join(" "), type, name, state];
}

Deno.test("splitNotification() cuts off keepalived's four words", () => {
  assert.deepEqual(
    split("-a", "--notify", "INSTANCE", "VI_1", "MASTER", "100"),
    ["-a --notify", "INSTANCE", "VI_1", "MASTER"],
  );
  assert.deepEqual(
    split("--notify", "-v", "web1", "GROUP", "VG", "BACKUP", "0"),
    ["--notify -v web1", "GROUP", "VG", "BACKUP"],
  );
});

Deno.test("splitNotification() takes three words of a keepalived that has no priority", () => {
  assert.deepEqual(
    split("-a", "--notify", "INSTANCE", "VI_1", "FAULT"),
    ["-a --notify", "INSTANCE", "VI_1", "FAULT"],
  );
});

Deno.test("splitNotification() takes off quotes that were left in place", () => {
  assert.deepEqual(
    split("-a", "--notify", '"INSTANCE"', '"VI_1"', "'MASTER'", '"100"'),
    ["-a --notify", "INSTANCE", "VI_1", "MASTER"],
  );
});

Deno.test("splitNotification() puts a name together that a shell took apart", () => {
  assert.deepEqual(
    split("-a", "--notify", "INSTANCE", "inside", "the", "house", "MASTER", "100"),
    ["-a --notify", "INSTANCE", "inside the house", "MASTER"],
  );
  assert.deepEqual(split("--notify", "INSTANCE", "in house", "MASTER", "1")[2], "in house");
});

Deno.test("splitNotification() takes names that look like something else", () => {
  for (const name of ["INSTANCE", "GROUP", "MASTER", "-q", "--help", "100", "it's", '"', ""]) {
    assert.deepEqual(
      split("-a", "--notify", "INSTANCE", name, "MASTER", "100"),
      ["-a --notify", "INSTANCE", name, "MASTER"],
    );
  }
});

for (
  const args of [[], ["VI_1", "MASTER", "100"], ["INSTANCE"], ["INSTANCE", "MASTER"], ["web1"]]
) {
  Deno.test(`splitNotification() refuses "${args.join(" ")}"`, () => {
    assert.throws(
      () => splitNotification(["-a", "--notify", ...args]),
      /^UsageError: Option --notify/,
    );
  });
}

Deno.test("splitNotification() doesn't take what stands before --notify", () => {
  assert.throws(() => splitNotification(["INSTANCE", "VI_1", "--notify", "100"]), /--notify needs/);
});
