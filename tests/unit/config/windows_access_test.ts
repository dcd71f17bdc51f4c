import assert from "node:assert/strict";
import { accessFault } from "../../../lib/config/registry.ts";

const system = "S-1-5-18", administrators = "S-1-5-32-544", users = "S-1-5-32-545";
const own = "S-1-5-21-1-2-3-1001";
const full = 0x1f01ff, readAndExecute = 0x1200a9, readAttributes = 0x80, synchronize = 0x10_0000;

Deno.test("accessFault() lets SYSTEM, Administrators, services and the own account in", () => {
  const service = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464";
  const allowed = [system, administrators, service, own].map((sid) => ({ sid, mask: full }));
  for (const owner of [system, administrators, own]) {
    assert.equal(accessFault({ owner, allowed }, own), null);
  }
});

Deno.test("accessFault() names whoever else can read or change it", () => {
  const cases: [string, string][] = [
    [users, "Users"],
    ["S-1-1-0", "Everyone"],
    ["S-1-5-11", "Authenticated Users"],
    ["S-1-5-21-9-9-9-500", "S-1-5-21-9-9-9-500"],
  ];
  for (const [sid, name] of cases) {
    for (const mask of [readAndExecute, 1, 2, 4, 0x4_0000, 0x8_0000, 0x1000_0000, 0x8000_0000]) {
      const access = { owner: system, allowed: [{ sid: system, mask: full }, { sid, mask }] };
      assert.equal(accessFault(access, own), `${name} can read or change it`);
    }
  }
});

Deno.test("accessFault() passes over rights that give nothing away", () => {
  const allowed = [{ sid: users, mask: readAttributes | synchronize }];
  assert.equal(accessFault({ owner: system, allowed }, own), null);
});

Deno.test("accessFault() refuses a missing list, and an owner who could let others in", () => {
  assert.match(accessFault({ owner: system, allowed: null }, own) ?? "", /^Everyone can read it/);
  assert.match(accessFault({ owner: users, allowed: [] }, own) ?? "", /^its owner Users can/);
  assert.match(accessFault({ owner: "", allowed: [] }, "") ?? "", /^its owner nobody can/);
});
