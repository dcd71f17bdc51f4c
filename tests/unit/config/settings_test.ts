import fc from "fast-check";
import assert from "node:assert/strict";
import {
  defaultSettings,
  isMetricsPlace,
  metricsFolders,
  metricsPlaces,
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

Deno.test("defaultSettings() are the documented ones", () => {
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
});

Deno.test("settingTable allows every default, and describes each setting in one line", () => {
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
    'Listen: "eth0" is not an IPv4 or IPv6 address or prefix; ' +
    "allowed is a list of 1 to 16 IPv4 or IPv6 addresses",
  ]);
  for (
    const [Listen, fault] of [
      [["192.0.2.5", "0.0.0.0"], "0.0.0.0 includes the others"],
      [["::", "192.0.2.5", "2001:db8::5"], ":: includes the others"],
      [["192.0.2.5", "192.0.2.5"], "192.0.2.5 is there twice"],
    ] as const
  ) assert.ok(problemsOf({ Listen })[0].startsWith(`Listen: ${fault}; `), fault);
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

const [one, two] = [createRouter(1), createRouter(2)];

Deno.test("parseSettings() takes routers' public keys, 64 at most, and one text as a list", () => {
  const texts = [one.publicText, two.publicText];
  assert.deepEqual(settingsOf({ RouterKeys: texts }).RouterKeys, texts);
  assert.deepEqual(settingsOf({ RouterKeys: one.publicText }).RouterKeys, [one.publicText]);
  assert.equal(settingText("RouterKeys", texts), `["${texts[0]}", "${texts[1]}"]`);
  const many = Array.from({ length: 65 }, (_, i) => createRouter(i).publicText);
  assert.deepEqual(problemsOf({ RouterKeys: many.slice(1) }), []);
  assert.match(problemsOf({ RouterKeys: many })[0], /^RouterKeys: 65 keys are more than 64;/);
});

Deno.test("parseSettings() says which kind of text RouterKeys has in place of a public key", () => {
  const cases: [unknown, string][] = [
    [[one.publicText, two.secretText], "key 2 is a router's secret key: hosts need the router's"],
    [one.secretText, "key 1 is a router's secret key: hosts need the router's public one"],
    [[one.publicText, one.publicText], `key 2 has the id ${one.key.idText} of key 1`],
    [[5, one.secretText], "it is no list of texts"],
    [{ key: one.secretText }, "it is no list of texts"],
    [[""], "key 1 is not a router's public key"],
  ];
  for (const [value, reason] of cases) {
    const [problem] = problemsOf({ RouterKeys: value });
    assert.ok(problem.startsWith(`RouterKeys: ${reason}`), problem);
    assert.ok(!problem.includes(one.secretText.slice(20)) && !problem.includes("\n"), problem);
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
  const given = Object.entries({ FlushOnStart: false, RouterKeys: [] });
  const { settings, origins } = parseSettings(given, "file.toml", "/etc/file.toml");
  const named = settingNames.filter((name) => origins[name] !== "default");
  assert.deepEqual(named, ["RouterKeys", "FlushOnStart"]);
  assert.equal(origins.RouterKeys, "/etc/file.toml");
  assert.equal(settings.FlushOnStart, false);
  assert.deepEqual(settings.RouterKeys, []);
});

Deno.test("parseSettings() names the setting whose value could not be read", () => {
  assert.deepEqual(problemsOf({ Port: new Error("a DWORD of 3 bytes is broken") }), [
    "Port: a DWORD of 3 bytes is broken",
  ]);
});

Deno.test("settingText() writes a value as a file holds it, but no secret", () => {
  assert.equal(settingText("Port", 5), "5");
  assert.equal(settingText("LogLevel", "info"), '"info"');
  const networks = ["10.0.0.0/8", "2001:db8::1"].map(parsePrefix);
  assert.equal(settingText("AllowedSources", networks), '["10.0.0.0/8", "2001:db8::1"]');
  assert.equal(settingText("Password", "TopSecret!"), '"***"');
  assert.equal(settingText("Password", ""), '""');
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

Deno.test("isMetricsPlace() takes a .prom file in each folder of its system and below", () => {
  for (const os of ["linux", "windows"] as const) {
    const separator = os === "windows" ? "\\" : "/";
    for (const folder of metricsFolders[os]) {
      for (
        const name of ["arpflush.prom", "a.prom", ["host-1", "ARP flush.prom"].join(separator)]
      ) {
        assert.ok(isMetricsPlace(`${folder}${separator}${name}`, os), `${folder} ${name}`);
      }
    }
  }
});

Deno.test("isMetricsPlace() takes Windows' paths with either slash and in either case", () => {
  assert.ok(isMetricsPlace("c:/program files/ARPFLUSH/metrics/arpflush.PROM", "windows"));
  assert.ok(!isMetricsPlace("/RUN/arpflush/arpflush.prom", "linux"));
  assert.ok(!isMetricsPlace("\\run\\arpflush\\arpflush.prom", "linux"));
});

Deno.test("isMetricsPlace() refuses other folders, other files, and ways out", () => {
  const refused = {
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
    for (const path of refused[os]) assert.ok(!isMetricsPlace(path, os), JSON.stringify(path));
  }
});

Deno.test("parseSettings() names the folders a MetricsFile may be in", () => {
  assert.deepEqual(problemsOf({ MetricsFile: "/tmp/arpflush.prom" }), [
    `MetricsFile: "/tmp/arpflush.prom" is not ${metricsPlaces()}`,
  ]);
  assert.equal(
    metricsPlaces("linux"),
    "empty, or a file NAME.prom in /var/lib/prometheus/node-exporter, /var/lib/node_exporter, " +
      "/run/arpflush",
  );
  assert.equal(
    metricsPlaces("windows"),
    "empty, or a file NAME.prom in C:\\Program Files\\windows_exporter\\textfile_inputs, " +
      "C:\\Program Files\\ArpFlush\\metrics",
  );
  const { linux, windows } = metricsFolders;
  const own = Deno.build.os === "windows" ? `${windows[0]}\\a.prom` : `${linux[0]}/a.prom`;
  for (const MetricsFile of ["", own]) {
    assert.equal(settingsOf({ MetricsFile }).MetricsFile, MetricsFile);
  }
});
