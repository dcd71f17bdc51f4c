import fc from "fast-check";
import assert from "node:assert/strict";
import {
  defaultSettings,
  parseSettings,
  settingNames,
  type Settings,
  settingTable,
} from "../../../lib/config/settings.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";

/** The settings that values make; the test fails if there are problems. */
function settingsOf(values: Record<string, unknown>): Settings {
  const result = parseSettings(values);
  assert.ok("settings" in result, JSON.stringify(result));
  return result.settings;
}

function problemsOf(values: Record<string, unknown>): readonly string[] {
  const result = parseSettings(values);
  return "problems" in result ? result.problems : [];
}

Deno.test("defaultSettings() are the documented ones", () => {
  assert.deepEqual(defaultSettings(), {
    Port: 27735,
    Listen: "0.0.0.0",
    KeyFile: "/etc/arpflush/key",
    Password: "",
    HoldDownSeconds: 10,
    ClockToleranceSeconds: 60,
    AllowedSources: "on-link",
    FlushOnStart: true,
    RefreshAddresses: "none",
    RefreshSeconds: 30,
    MetricsFile: "",
    LogLevel: "info",
    LogFormat: "text",
  });
});

Deno.test("settingTable allows every default, and describes each setting in one line", () => {
  const { settings } = { settings: settingsOf(defaultSettingsAsGiven()) };
  assert.deepEqual(settings, defaultSettings());
  for (const name of settingNames) {
    const { description, allowed } = settingTable[name];
    assert.match(description, /^[^\n]{10,120}[^.\n]$/, name);
    assert.ok(allowed.length > 0, name);
  }
});

/** The defaults as a file would give them; all are plain values. */
function defaultSettingsAsGiven(): Record<string, unknown> {
  return { ...defaultSettings() };
}

Deno.test("parseSettings() takes both limits of every number and nothing beyond or between", () => {
  const limits = {
    Port: [1, 65_535],
    HoldDownSeconds: [1, 300],
    ClockToleranceSeconds: [1, 3_600],
    RefreshSeconds: [1, 86_400],
  } as const;
  const numbers = settingNames.filter((name) => settingTable[name].kind === "number");
  assert.deepEqual(numbers.toSorted(), Object.keys(limits).toSorted());
  for (const [name, [least, most]] of Object.entries(limits)) {
    for (const value of [least, most]) assert.deepEqual(problemsOf({ [name]: value }), []);
    for (const value of [least - 1, most + 1, -least, least + 0.5, NaN, Infinity, "5", true, []]) {
      const [problem] = problemsOf({ [name]: value });
      assert.match(
        problem,
        new RegExp(`^${name}: .* is not a whole number from ${least} to ${most}$`),
      );
    }
  }
});

Deno.test("parseSettings() names the setting, the value and what is allowed", () => {
  assert.deepEqual(problemsOf({ Port: 70_000 }), [
    "Port: 70000 is not a whole number from 1 to 65535",
  ]);
  assert.deepEqual(problemsOf({ FlushOnStart: "yes" }), [
    'FlushOnStart: "yes" is not true or false',
  ]);
  assert.deepEqual(problemsOf({ LogLevel: "loud" }), [
    'LogLevel: "loud" is not one of "error", "warning", "info", "debug"',
  ]);
  assert.deepEqual(problemsOf({ Listen: "eth0" }), [
    'Listen: "eth0" is not an IPv4 or IPv6 address',
  ]);
  assert.deepEqual(problemsOf({ AllowedSources: ["10.0.0.0/8", "10.0.0.1/8"] }), [
    'AllowedSources: "10.0.0.1/8" has host bits set; the network is 10.0.0.0/8; ' +
    'allowed is "on-link", or a list of 1 to 256 addresses and networks',
  ]);
  assert.deepEqual(problemsOf({ RefreshAddresses: ["10.0.0.0/8"] }), [
    'RefreshAddresses: "10.0.0.0/8" is a network, not one address; ' +
    'allowed is "none", "gateway", or a list of 1 to 61 addresses',
  ]);
});

Deno.test("parseSettings() tells every problem at once", () => {
  const problems = problemsOf({ Port: 0, hold: 3, LogLevel: 1, Listen: "", RefreshSeconds: 0 });
  assert.equal(problems.length, 5);
});

Deno.test("parseSettings() names the nearest known setting for an unknown one", () => {
  assert.deepEqual(problemsOf({ HoldDownSecond: 5, port: 5, Prot: 5, Colour: 1, "": 1 }), [
    '"HoldDownSecond" is not a setting; is it HoldDownSeconds?',
    '"port" is not a setting; is it Port?',
    '"Prot" is not a setting; is it Port?',
    '"Colour" is not a setting',
    '"" is not a setting',
  ]);
  for (const name of ["toString", "__proto__", "constructor"]) {
    const values = JSON.parse(`{ "${name}": 1 }`);
    assert.match(problemsOf(values)[0], /is not a setting/);
  }
});

Deno.test("parseSettings() takes a keyword or a list, also one text or a keyword in a list", () => {
  const networks = ["10.0.0.0/8", "2001:db8::1"];
  assert.deepEqual(
    settingsOf({ AllowedSources: networks }).AllowedSources,
    networks.map(parsePrefix),
  );
  assert.deepEqual(settingsOf({ AllowedSources: "10.0.0.0/8" }).AllowedSources, [
    parsePrefix("10.0.0.0/8"),
  ]);
  assert.equal(settingsOf({ AllowedSources: ["on-link"] }).AllowedSources, "on-link");
  assert.equal(settingsOf({ RefreshAddresses: "gateway" }).RefreshAddresses, "gateway");
  for (const value of [[], ["on-link", "10.0.0.0/8"], [5], 5, {}, [""]]) {
    assert.equal(problemsOf({ AllowedSources: value }).length, 1, JSON.stringify(value));
  }
  const many = Array.from({ length: 62 }, (_, i) => `192.0.2.${i}`);
  assert.equal(problemsOf({ RefreshAddresses: many }).length, 1);
  assert.deepEqual(problemsOf({ RefreshAddresses: many.slice(1) }), []);
});

Deno.test("parseSettings() never shows a password, right or wrong", () => {
  const secret = "TopSecret!";
  for (const value of [[secret], { secret }, secret.repeat(200)]) {
    const problems = problemsOf({ Password: value });
    assert.deepEqual(problems, ["Password: the value is not a text of at most 1000 bytes"]);
  }
  assert.equal(settingsOf({ Password: secret }).Password, secret);
  assert.equal(problemsOf({ Password: "ä".repeat(501) }).length, 1);
  assert.deepEqual(problemsOf({ Password: "ä".repeat(500) }), []);
});

Deno.test("parseSettings() says which settings were given, falsy ones too", () => {
  const result = parseSettings({ FlushOnStart: false, KeyFile: "" });
  assert.ok("settings" in result);
  assert.deepEqual([...result.given], ["FlushOnStart", "KeyFile"]);
  assert.equal(result.settings.FlushOnStart, false);
  assert.equal(result.settings.KeyFile, "");
});

Deno.test("parseSettings() makes one line of at most 400 characters of any value", () => {
  const values = fc.dictionary(fc.constantFrom(...settingNames, "Unknown"), fc.anything());
  fc.assert(fc.property(values, (given) => {
    for (const problem of problemsOf(given)) {
      assert.doesNotMatch(problem, /[\n\r]/);
      assert.ok(problem.length <= 400, problem);
    }
  }));
});
