import assert from "node:assert/strict";
import { describeWin32Error, win32ErrorName } from "../../../lib/win32/win32_error.ts";

Deno.test("describeWin32Error() uses Microsoft's name, or the bare number", () => {
  assert.equal(describeWin32Error(5), "ERROR_ACCESS_DENIED (5): Access is denied");
  assert.equal(win32ErrorName(1168), "ERROR_NOT_FOUND (1168)");
  assert.equal(describeWin32Error(4711), "error 4711");
});
