import fc from "fast-check";
import assert from "node:assert/strict";
import {
  accessFault,
  changeFault,
  loadSettingsRegistry,
  type RegistryParts,
} from "../../../lib/config/registry.ts";
import { settingNames, SettingsError } from "../../../lib/config/settings.ts";
import type { ObjectAccess } from "../../../lib/win32/aclapi.ts";
import {
  REG_DWORD,
  REG_EXPAND_SZ,
  REG_MULTI_SZ,
  REG_SZ,
  type RegistryValue,
} from "../../../lib/win32/advapi32.ts";
import { formatPrefix } from "../../../lib/wire/addresses.ts";
import { createRouter } from "../../support/datagrams.ts";

const [one, two] = [createRouter(1), createRouter(2)];

function utf16(text: string): Uint8Array {
  return new Uint8Array(Uint16Array.from(text, (c) => c.charCodeAt(0)).buffer);
}

function sz(name: string, text: string, type = REG_SZ): RegistryValue {
  return { name, type, data: utf16(`${text}\0`) };
}

function dword(name: string, value: number): RegistryValue {
  return { name, type: REG_DWORD, data: new Uint8Array(Uint32Array.of(value).buffer) };
}

function multi(name: string, ...texts: string[]): RegistryValue {
  return {
    name,
    type: REG_MULTI_SZ,
    data: utf16(texts.map((text) => `${text}\0`).join("") + "\0"),
  };
}

/** Double of the registry that holds these values. */
function holding(values: readonly RegistryValue[], others: Partial<RegistryParts> = {}) {
  const closed = { owner: "S-1-5-18", allowed: [{ sid: "S-1-5-18", mask: 0xf003f }] };
  return {
    read: () => ({ values, access: closed }),
    expand: (text: string) => text.replace("%Address%", "192.0.2.9"),
    ownSid: () => "S-1-5-18",
    ...others,
  };
}

function problemsOf(parts: RegistryParts): readonly string[] {
  try {
    loadSettingsRegistry(parts);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

const key = "HKLM\\SOFTWARE\\NPSL\\ArpFlush";

Deno.test("loadSettingsRegistry() gives the defaults without the key", () => {
  const { settings, origins } = loadSettingsRegistry(holding([], { read: () => null }));
  assert.equal(settings.Port, 27735);
  assert.deepEqual(new Set(Object.values(origins)), new Set(["default"]));
});

Deno.test("loadSettingsRegistry() reads each type, whatever the letters' case", () => {
  const { settings, origins } = loadSettingsRegistry(holding([
    dword("port", 4711),
    dword("FlushOnStart", 0),
    sz("Listen", "%Address%,2001:db8::9", REG_EXPAND_SZ),
    multi("RouterKeys", one.publicText, two.publicText),
    multi("AllowedSources", "192.0.2.0/24", "2001:db8::/32"),
    sz("REFRESHADDRESSES", "gateway"),
  ]));
  assert.equal(settings.Port, 4711);
  assert.equal(settings.FlushOnStart, false);
  assert.deepEqual(settings.Listen.map(formatPrefix), ["192.0.2.9", "2001:db8::9"]);
  assert.deepEqual(settings.RouterKeys, [one.publicText, two.publicText]);
  assert.notEqual(settings.AllowedSources, "on-link");
  if (settings.AllowedSources === "on-link") return;
  assert.deepEqual(settings.AllowedSources.map(formatPrefix), ["192.0.2.0/24", "2001:db8::/32"]);
  assert.equal(settings.RefreshAddresses, "gateway");
  assert.deepEqual([origins.Port, origins.LogLevel], [key, "default"]);
});

Deno.test("loadSettingsRegistry() says every problem with the same words as a file", () => {
  const problems = problemsOf(holding([
    dword("Port", 70_000),
    sz("HoldDownSeconds", "10"),
    dword("LogLevel", 1),
    dword("FlushOnStart", 2),
    multi("RefreshAddresses", "192.0.2.0/24"),
    sz("Prot", "1"),
  ]));
  assert.deepEqual(problems, [
    `${key}: Port: 70000 is not a whole number from 1 to 65535`,
    `${key}: HoldDownSeconds: "10" is not a whole number from 1 to 10`,
    `${key}: LogLevel: 1 is not one of "error", "warning", "info", "debug"`,
    `${key}: FlushOnStart: 2 is not true or false`,
    `${key}: RefreshAddresses: "192.0.2.0/24" is a network, not one address; ` +
    'allowed is "none", "gateway", or a list of 1 to 61 addresses',
    `${key}: "Prot" is not a setting; is it Port?`,
  ]);
});

Deno.test("loadSettingsRegistry() says what is wrong with a value's bytes, without them", () => {
  const loneSurrogate = new Uint8Array(Uint16Array.of(0xd800, 0).buffer);
  const problems = problemsOf(holding([
    { name: "Port", type: REG_DWORD, data: new Uint8Array(3) },
    { name: "Listen", type: REG_SZ, data: loneSurrogate },
    { name: "RouterKeys", type: REG_SZ, data: new Uint8Array(3) },
    { name: "LogLevel", type: 3, data: new Uint8Array(4) },
    sz("Password", "secret\0tail"),
  ]));
  assert.deepEqual(problems, [
    `${key}: Port: a DWORD of 3 bytes is broken`,
    `${key}: Listen: the text is not UTF-16`,
    `${key}: RouterKeys: the text is not UTF-16`,
    `${key}: LogLevel: a value of type 3 is none of DWORD (4), SZ (1), MULTI_SZ (7)`,
    `${key}: Password: a zero character inside the text is not allowed`,
  ]);
});

Deno.test("loadSettingsRegistry() takes any value of any type as settings or as problems", () => {
  const values = fc.record({
    name: fc.oneof(fc.constantFrom(...settingNames), fc.string()),
    type: fc.integer({ min: 0, max: 12 }),
    data: fc.uint8Array({ maxLength: 40 }),
  });
  fc.assert(
    fc.property(fc.array(values), (list) => {
      for (const problem of problemsOf(holding(list))) assert.ok(problem.startsWith(`${key}: `));
    }),
    { numRuns: 500 },
  );
});

Deno.test("loadSettingsRegistry() refuses a Password that others can read, and never shows it", () => {
  const open = { owner: "S-1-5-18", allowed: [{ sid: "S-1-5-32-545", mask: 0x20019 }] };
  const values = [sz("Password", "TopSecret!")];
  const refused = problemsOf(holding(values, { read: () => ({ values, access: open }) }));
  assert.deepEqual(refused, [
    `${key}: refused because it holds a Password and Users can read or change it; ` +
    "let only SYSTEM and Administrators in (install.ps1 does)",
  ]);
  assert.equal(loadSettingsRegistry(holding(values)).settings.Password, "TopSecret!");
});

Deno.test("loadSettingsRegistry() refuses settings that others can change, not only read", () => {
  const values = [multi("RouterKeys", one.publicText)];
  const load = (mask: number) =>
    problemsOf(holding(values, {
      read: () => ({
        values,
        access: { owner: "S-1-5-18", allowed: [{ sid: "S-1-5-32-545", mask }] },
      }),
    }));
  assert.deepEqual(load(0x20019), []);
  assert.deepEqual(load(0x2001f), [
    `${key}: refused because Users can change it; ` +
    "let only SYSTEM and Administrators change it (install.ps1 does)",
  ]);
});

Deno.test("loadSettingsRegistry() says why the key can't be read", () => {
  const read = () => {
    throw new Error("RegOpenKeyExW: ERROR_ACCESS_DENIED (5): Access is denied");
  };
  assert.deepEqual(problemsOf(holding([], { read })), [
    `Cannot read settings ${key}: RegOpenKeyExW: ERROR_ACCESS_DENIED (5): Access is denied`,
  ]);
});

const system = "S-1-5-18", administrators = "S-1-5-32-544", users = "S-1-5-32-545";
const own = "S-1-5-21-1-2-3-1001";
const full = 0x1f01ff, readAndExecute = 0x1200a9, readAttributes = 0x80, synchronize = 0x10_0000;

Deno.test("accessFault() and changeFault() let SYSTEM, Administrators, services and the own account in", () => {
  const service = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464";
  const allowed = [system, administrators, service, own].map((sid) => ({ sid, mask: full }));
  for (const owner of [system, administrators, own]) {
    assert.deepEqual(faultsOf({ owner, allowed }), [null, null]);
  }
});

/** Why rights don't do for a secret, and for what others may read but not change. */
const faultsOf = (access: ObjectAccess, by = own) => [
  accessFault(access, by),
  changeFault(access, by),
];

Deno.test("accessFault() and changeFault() name whoever else can read or change it", () => {
  const others = {
    [users]: "Users",
    "S-1-1-0": "Everyone",
    "S-1-5-11": "Authenticated Users",
    "S-1-5-21-9-9-9-500": "S-1-5-21-9-9-9-500",
  };
  for (const [sid, name] of Object.entries(others)) {
    const withMask = (mask: number) =>
      faultsOf({ owner: system, allowed: [{ sid: system, mask: full }, { sid, mask }] });
    for (const mask of [1, 0x8000_0000, readAndExecute]) {
      assert.deepEqual(withMask(mask), [`${name} can read or change it`, null]);
    }
    for (const mask of [2, 4, 0x4_0000, 0x8_0000, 0x1000_0000, 0x4000_0000]) {
      assert.deepEqual(withMask(mask), [`${name} can read or change it`, `${name} can change it`]);
    }
    assert.deepEqual(withMask(readAttributes | synchronize), [null, null]);
  }
});

Deno.test("accessFault() and changeFault() refuse a missing list, and an owner who could let others in", () => {
  assert.deepEqual(faultsOf({ owner: system, allowed: null }), [
    "Everyone can read or change it (it has no access control list)",
    "Everyone can change it (it has no access control list)",
  ]);
  assert.deepEqual(faultsOf({ owner: users, allowed: [] }), [
    "its owner Users can let others read or change it",
    "its owner Users can let others change it",
  ]);
  assert.match(faultsOf({ owner: "", allowed: [] }, "")[0] ?? "", /^its owner nobody can/);
});
