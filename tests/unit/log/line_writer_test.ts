import assert from "node:assert/strict";
import { createLineWriter } from "../../../lib/log/logging.ts";

/** A sink in memory whose writes end when told. */
function openSink(bytesAtOnce = Infinity) {
  let text = "", blocked: (() => void) | null = null, block = false;
  let failure: Error | null = null;
  return {
    text: () => text,
    block: () => void (block = true),
    unblock() {
      block = false;
      blocked?.();
    },
    fail: (error: Error | null) => void (failure = error),
    async write(bytes: Uint8Array): Promise<number> {
      if (block) await new Promise<void>((resolve) => blocked = resolve);
      if (failure !== null) throw failure;
      const count = Math.min(bytes.length, bytesAtOnce);
      text += new TextDecoder().decode(bytes.subarray(0, count));
      return count;
    },
  };
}

Deno.test("createLineWriter() writes lines whole and in order, however little is taken at once", async () => {
  const sink = openSink(3);
  const writer = createLineWriter(sink);
  for (const line of ["one", "two", "three"]) writer.write(line);
  await writer.flush(1_000);
  assert.equal(sink.text(), "one\ntwo\nthree\n");
});

Deno.test("createLineWriter() never waits, and says how many lines were lost", async () => {
  const sink = openSink();
  sink.block();
  const writer = createLineWriter(sink);
  writer.write("first");
  for (let i = 0; i < 1_500; i++) writer.write(`line ${i}`);
  sink.unblock();
  await writer.flush(1_000);
  writer.write("next");
  await writer.flush(1_000);
  const lines = sink.text().trimEnd().split("\n");
  assert.equal(lines.length, 1_003);
  assert.equal(lines[1_000], "line 999");
  assert.equal(lines[1_001], "(500 lines of the log are lost: it is written too slowly)");
  assert.equal(lines[1_002], "next");
});

Deno.test("createLineWriter() goes on after writes that fail", async () => {
  const sink = openSink();
  const writer = createLineWriter(sink);
  sink.fail(new Error("No space left on device"));
  writer.write("lost");
  await writer.flush(1_000);
  sink.fail(null);
  writer.write("there is space again");
  await writer.flush(1_000);
  assert.equal(sink.text(), "there is space again\n");
});

Deno.test("createLineWriter() waits for a stuck sink no longer than told", async () => {
  const sink = openSink();
  sink.block();
  const writer = createLineWriter(sink);
  writer.write("stuck");
  await writer.flush(10);
  assert.equal(sink.text(), "");
  sink.unblock();
  await writer.flush(1_000);
  assert.equal(sink.text(), "stuck\n");
});
