import fc from "fast-check";
import assert from "node:assert/strict";
import {
  defaultSettings,
  isMetricsPlace,
  metricsFolders,
  parseSettings,
  settingNames,
  type Settings,
  SettingsError,
  settingTable,
  settingText,
} from "../../../lib/config/settings.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import { createRouter } from "../../support/datagrams.ts";

function settingsOf(values: Record<string, unknown>): Settings {
  return parseSettings(Object.entries(values), "here").settings;
}

/** The problems without the place that each must begin with. */
function problemsOf(values: Record<string, unknown>): readonly string[] {
  try {
    settingsOf(values);
    return [];
  } catch (error) {
    assert.ok(error instanceof SettingsError, String(error));
    return error.problems.map((problem) => {
      assert.ok(problem.startsWith("here: "), problem);
      return problem.slice(6);
    });
  }
}

const [one, two] = [createRouter(1), createRouter(2)];
const manyKeys = Array.from({ length: 65 }, (_, i) => createRouter(i).publicText);
const manyAddresses = Array.from({ length: 62 }, (_, i) => `192.0.2.${i}`);
const [longPassword, secret] = ["ä".repeat(500), "TopSecret!"];

Deno.test("defaultSettings() are the documented ones, allowed, and described in one line each", () => {
  assert.deepEqual(defaultSettings(), {
    Port: 27735,
    Listen: [parsePrefix("0.0.0.0")],
    RouterKeys: [],
    Password: "",
    HoldDownSeconds: 10,
    ClockToleranceSeconds: 60,
    AllowedSources: "on-link",
    FlushOnStart: true,
    FlushOnNetworkChange: true,
    RefreshAddresses: "none",
    RefreshSeconds: 30,
    MetricsFile: "",
    LogLevel: "info",
    LogFormat: "text",
  });
  assert.deepEqual(settingsOf({ ...defaultSettings(), Listen: ["0.0.0.0"] }), defaultSettings());
  for (const name of settingNames) {
    const { description, allowed } = settingTable[name];
    assert.match(description, /^[^\n]{10,120}[^.\n]$/, name);
    assert.ok(allowed.length > 0, name);
  }
});

Deno.test("parseSettings() takes both limits of every number and nothing beyond or between", () => {
  const limits = {
    Port: [1, 65_535],
    HoldDownSeconds: [1, 10],
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

/** What a setting is given, and its value. */
const taken: { readonly [Name in keyof Settings]?: readonly [given: unknown, Settings[Name]][] } = {
  AllowedSources: [
    [["10.0.0.0/8", "2001:db8::1"], ["10.0.0.0/8", "2001:db8::1"].map(parsePrefix)],
    ["10.0.0.0/8 , 192.0.2.1", ["10.0.0.0/8", "192.0.2.1"].map(parsePrefix)],
    [["on-link"], "on-link"],
  ],
  RefreshAddresses: [
    ["gateway", "gateway"],
    [manyAddresses.slice(1), manyAddresses.slice(1).map(parsePrefix)],
  ],
  RouterKeys: [
    [[one.publicText, two.publicText], [one.publicText, two.publicText]],
    [one.publicText, [one.publicText]],
    [`${one.publicText}, ${two.publicText}`, [one.publicText, two.publicText]],
    [manyKeys.slice(1), manyKeys.slice(1)],
  ],
  Password: [[secret, secret], [longPassword, longPassword]],
};

Deno.test("parseSettings() takes a keyword or a list, also one text or a keyword in a list", () => {
  for (const [name, rows] of Object.entries(taken)) {
    for (const [given, value] of rows) {
      assert.deepEqual(settingsOf({ [name]: given })[name as keyof Settings], value);
    }
  }
});

/** What a setting is given, and what is said behind its name; `…` stands for any rest. */
const refused: { readonly [Name in keyof Settings]?: readonly [given: unknown, string][] } = {
  Port: [
    [70_000, "70000 is not a whole number from 1 to 65535"],
    [new Error("a DWORD of 3 bytes is broken"), "a DWORD of 3 bytes is broken"],
  ],
  FlushOnStart: [["yes", '"yes" is not true or false']],
  LogLevel: [["loud", '"loud" is not one of "error", "warning", "info", "debug"']],
  Listen: [
    [
      "eth0",
      '"eth0" is not an IPv4 or IPv6 address or prefix; ' +
      "allowed is a list of 1 to 16 IPv4 or IPv6 addresses",
    ],
    [["192.0.2.5", "0.0.0.0"], "0.0.0.0 includes the others; …"],
    [["::", "192.0.2.5", "2001:db8::5"], ":: includes the others; …"],
    [["192.0.2.5", "192.0.2.5"], "192.0.2.5 is there twice; …"],
  ],
  AllowedSources: [
    [
      ["10.0.0.0/8", "10.0.0.1/8"],
      '"10.0.0.1/8" has host bits set; the network is 10.0.0.0/8; ' +
      'allowed is "on-link", or a list of 1 to 256 addresses and networks',
    ],
    [["on-link", "10.0.0.0/8"], '"on-link" is not an IPv4 or IPv6 address or prefix; …'],
    ...[[], [5], 5, {}].map((given): [unknown, string] => [
      given,
      `${JSON.stringify(given)} is not "on-link", or a list of 1 to 256 addresses and networks`,
    ]),
  ],
  RefreshAddresses: [
    [
      ["10.0.0.0/8"],
      '"10.0.0.0/8" is a network, not one address; ' +
      'allowed is "none", "gateway", or a list of 1 to 61 addresses',
    ],
    [manyAddresses, '["192.0.2.0",…'],
  ],
  RouterKeys: [
    [
      [one.publicText, two.secretText],
      "key 2 is a router's secret key: hosts need the router's public one…",
    ],
    [one.secretText, "key 1 is a router's secret key: hosts need the router's public one…"],
    [[one.publicText, one.publicText], `key 2 has the id ${one.key.idText} of key 1…`],
    [[5, one.secretText], "it is no list of texts; …"],
    [{ key: one.secretText }, "it is no list of texts; …"],
    [[""], "key 1 is not a router's public key…"],
    [manyKeys, "65 keys are more than 64; …"],
  ],
  Password: [[secret], { secret }, secret.repeat(200), `${longPassword}ä`].map((given) => [
    given,
    "the value is not a text of at most 1000 bytes",
  ]),
  MetricsFile: [[
    "/tmp/arpflush.prom",
    `"/tmp/arpflush.prom" is not ${settingTable.MetricsFile.allowed}`,
  ]],
};

Deno.test("parseSettings() names the setting, the value and what is allowed, but no secret", () => {
  for (const [name, rows] of Object.entries(refused)) {
    for (const [given, said] of rows) {
      const problems = problemsOf({ [name]: given });
      assert.equal(problems.length, 1);
      const [start, rest] = `${name}: ${said}`.split("…");
      if (rest === undefined) assert.equal(problems[0], start);
      else assert.ok(problems[0].startsWith(start), problems[0]);
      assert.ok(![secret, one.secretText.slice(20)].some((text) => problems[0].includes(text)));
    }
  }
});

Deno.test("parseSettings() never shows a router's secret key, wherever it was put", () => {
  for (const name of settingNames.filter((name) => name !== "Password")) {
    for (const value of [one.secretText, [one.secretText]]) {
      for (const problem of problemsOf({ [name]: value })) {
        assert.ok(!problem.includes(one.secretText.slice(20)), problem);
      }
    }
  }
});

Deno.test("parseSettings() tells every problem at once, and the nearest known setting for an unknown one", () => {
  assert.equal(problemsOf({ Port: 0, LogLevel: 1, Listen: "", RefreshSeconds: 0 }).length, 4);
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

Deno.test("parseSettings() says which settings were given, falsy ones too", () => {
  const given = Object.entries({ FlushOnStart: false, RouterKeys: [] });
  const { settings, origins } = parseSettings(given, "file.toml", "/etc/file.toml");
  const named = settingNames.filter((name) => origins[name] !== "default");
  assert.deepEqual(named, ["RouterKeys", "FlushOnStart"]);
  assert.equal(origins.RouterKeys, "/etc/file.toml");
  assert.equal(settings.FlushOnStart, false);
  assert.deepEqual(settings.RouterKeys, []);
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

Deno.test("settingText() writes a value as a file holds it, but no secret", () => {
  assert.equal(settingText("Port", 5), "5");
  assert.equal(settingText("LogLevel", "info"), '"info"');
  const networks = ["10.0.0.0/8", "2001:db8::1"].map(parsePrefix);
  assert.equal(settingText("AllowedSources", networks), '["10.0.0.0/8", "2001:db8::1"]');
  assert.equal(settingText("RouterKeys", ["one", "two"]), '["one", "two"]');
  assert.equal(settingText("Password", secret), '"***"');
  assert.equal(settingText("Password", ""), '""');
});

Deno.test("isMetricsPlace() takes a .prom file in each folder of its system and below", () => {
  for (const os of ["linux", "windows"] as const) {
    const separator = os === "windows" ? "\\" : "/";
    for (const folder of metricsFolders[os]) {
      for (const names of [["arpflush.prom"], ["a.prom"], ["host-1", "ARP flush.prom"]]) {
        const path = [folder, ...names].join(separator);
        assert.ok(isMetricsPlace(path, os), path);
      }
    }
  }
  // Windows takes either slash and either case.
  assert.ok(isMetricsPlace("c:/program files/ARPFLUSH/metrics/arpflush.PROM", "windows"));
  const own = Deno.build.os === "windows" ? metricsFolders.windows[0] : metricsFolders.linux[0];
  for (const MetricsFile of ["", `${own}/a.prom`]) {
    assert.equal(settingsOf({ MetricsFile }).MetricsFile, MetricsFile);
  }
});

Deno.test("isMetricsPlace() refuses other folders, other files, and ways out", () => {
  const elsewhere = {
    linux: [
      "/etc/arpflush.prom",
      "arpflush.prom",
      "/run/arpflush.prom",
      "/run/arpflush",
      "/run/arpflush/",
      "/run/arpflush/.prom",
      "/run/arpflush/arpflush.prom.tmp",
      "/run/arpflush/arpflush.txt",
      "/run/arpflush2/arpflush.prom",
      "/run/arpflush/../../etc/cron.d/a.prom",
      "/run/arpflush/./a.prom",
      "/run/arpflush//a.prom",
      "/run/arpflush/a\0.prom",
      "/run/arpflush/a\n.prom",
      "/RUN/arpflush/arpflush.prom",
      "\\run\\arpflush\\arpflush.prom",
      "C:\\Program Files\\ArpFlush\\metrics\\arpflush.prom",
    ],
    windows: [
      "C:\\ProgramData\\ArpFlush\\key.prom",
      "C:\\Program Files\\ArpFlush\\metrics\\..\\key.prom",
      "C:\\Program Files\\ArpFlush\\metrics\\key:a.prom",
      "\\\\?\\C:\\Program Files\\ArpFlush\\metrics\\a.prom",
      "/run/arpflush/arpflush.prom",
    ],
  } as const;
  for (const os of ["linux", "windows"] as const) {
    for (const path of elsewhere[os]) assert.ok(!isMetricsPlace(path, os), JSON.stringify(path));
  }
});
