import assert from "node:assert/strict";
import { encodeServiceStatus } from "../../../lib/win32/winsvc.ts";

Deno.test("encodeServiceStatus() is SERVICE_STATUS: seven DWORDs", () => {
  const words = encodeServiceStatus({
    state: 4,
    controlsAccepted: 0x149,
    exitCode: 1066,
    serviceExitCode: 44,
    waitHint: 25_000,
  });
  assert.deepEqual([...words], [0x10, 4, 0x149, 1066, 44, 0, 25_000]);
  assert.equal(words.byteLength, 28);
});
