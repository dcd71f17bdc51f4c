import assert from "node:assert/strict";
import { createHostKeyRegistry } from "../../../lib/service/windows_program.ts";
import type { ObjectAccess } from "../../../lib/win32/aclapi.ts";
import type { RegistryValue } from "../../../lib/win32/advapi32.ts";

const system = "S-1-5-18", administrators = "S-1-5-32-544";
const path = "SOFTWARE\\NPSL\\ArpFlush\\HostKey";
const seed = new Uint8Array(32).fill(7);

/** A store over a Double of the registry: nothing of it, or a key with values and rights. */
function createStore(
  key: { values: RegistryValue[]; access?: ObjectAccess } | null,
  { own = system } = {},
) {
  const made: unknown[][] = [];
  const closed = { owner: system, allowed: [{ sid: system, mask: 0xf003f }] };
  const store = createHostKeyRegistry({
    read: (asked) => {
      assert.equal(asked, path);
      return key && { values: key.values, access: key.access ?? closed };
    },
    createProtectedKey: (...given) => void made.push(given),
    ownSid: () => own,
  });
  return { store, made };
}

Deno.test("createHostKeyRegistry() makes a key for SYSTEM, Administrators and the own account", () => {
  const { store, made } = createStore(null);
  assert.equal(store.read(), null);
  store.write(seed);
  assert.deepEqual(made, [[path, [system, administrators], "Seed", seed]]);
  const own = "S-1-5-21-1-2-3-1001";
  const other = createStore(null, { own });
  other.store.write(seed);
  assert.deepEqual(other.made[0][1], [system, administrators, own]);
  const unknown = createStore(null, { own: "" });
  unknown.store.write(seed);
  assert.deepEqual(unknown.made[0][1], [system, administrators]);
});

Deno.test("createHostKeyRegistry() reads what it has kept", () => {
  const { store } = createStore({ values: [{ name: "Seed", type: 3, data: seed }] });
  assert.deepEqual(store.read(), seed);
});

Deno.test("createHostKeyRegistry() refuses a key that others can read, and one that is broken", () => {
  const users = { owner: system, allowed: [{ sid: "S-1-5-32-545", mask: 0x20019 }] };
  const values = [{ name: "Seed", type: 3, data: seed }];
  assert.throws(() => createStore({ values, access: users }).store.read(), {
    message: `Cannot read host key HKLM\\${path}: refused, Users can read or change it; delete it`,
  });
  const broken = [
    [],
    [{ name: "Seed", type: 1, data: seed }],
    [{ name: "Seed", type: 3, data: new Uint8Array(31) }],
    [{ name: "Other", type: 3, data: seed }],
  ];
  for (const values of broken) {
    assert.throws(() => createStore({ values }).store.read(), {
      message: `Cannot read host key HKLM\\${path}: it is broken`,
    });
  }
});

Deno.test("createHostKeyRegistry() says why it can't read or keep a key", () => {
  const fail = () => {
    throw new Error("RegCreateKeyExW: ERROR_ACCESS_DENIED (5): Access is denied");
  };
  const store = createHostKeyRegistry({
    read: fail,
    createProtectedKey: fail,
    ownSid: () => system,
  });
  const reason = "RegCreateKeyExW: ERROR_ACCESS_DENIED (5): Access is denied";
  assert.throws(() => store.read(), { message: `Cannot read host key HKLM\\${path}: ${reason}` });
  assert.throws(() => store.write(seed), {
    message: `Cannot write host key HKLM\\${path}: ${reason}`,
  });
});
