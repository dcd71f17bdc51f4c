import assert from "node:assert/strict";
import { createWindowsKeyReader } from "../../../lib/service/windows_program.ts";
import type { ObjectAccess } from "../../../lib/win32/advapi32.ts";

const system = { sid: "S-1-5-18", mask: 0x1f01ff };

/** A reader with a double of Windows' access control. */
function createReader(access: () => ObjectAccess) {
  return createWindowsKeyReader({ accessOfFile: access, ownSid: () => "S-1-5-18" });
}

async function withKeyFile(work: (path: string) => void): Promise<void> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, "a key\n");
    await Deno.chmod(path, 0o600).catch(() => {}); // Windows has no modes.
    work(path);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("createWindowsKeyReader() reads a file that only trusted accounts can read", async () => {
  await withKeyFile((path) => {
    const read = createReader(() => ({ owner: "S-1-5-32-544", allowed: [system] }));
    assert.equal(read(path), "a key\n");
  });
});

Deno.test("createWindowsKeyReader() refuses a file that Users can read, and says the cure", async () => {
  await withKeyFile((path) => {
    const users = { sid: "S-1-5-32-545", mask: 0x1200a9 };
    const read = createReader(() => ({ owner: "S-1-5-18", allowed: [system, users] }));
    assert.throws(() => read(path), {
      message: `Cannot read key file "${path}": refused, Users can read or change it; run icacls ` +
        `"${path}" /inheritance:r /grant:r *S-1-5-18:F *S-1-5-32-544:F`,
    });
  });
});

Deno.test("createWindowsKeyReader() refuses a file whose permissions can't be read", async () => {
  await withKeyFile((path) => {
    const read = createReader(() => {
      throw new Error("GetNamedSecurityInfoW: ERROR_ACCESS_DENIED (5): Access is denied");
    });
    assert.throws(() => read(path), /^Error: Cannot read key file .* GetNamedSecurityInfoW: ERROR/);
  });
});

Deno.test("createWindowsKeyReader() tells a missing file from a refused one", () => {
  const read = createReader(() => ({ owner: "S-1-5-18", allowed: null }));
  assert.equal(read("no such folder/key"), null);
});
