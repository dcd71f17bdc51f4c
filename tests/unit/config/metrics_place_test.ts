import assert from "node:assert/strict";
import {
  isMetricsPlace,
  metricsFolders,
  metricsPlaces,
  parseSettings,
} from "../../../lib/config/settings.ts";

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
  assert.ok(isMetricsPlace("c:/programdata/ARPFLUSH/metrics/arpflush.PROM", "windows"));
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
      "C:\\ProgramData\\ArpFlush\\metrics\\arpflush.prom",
    ],
    windows: [
      "C:\\ProgramData\\ArpFlush\\key.prom",
      "C:\\ProgramData\\ArpFlush\\metrics\\..\\key.prom",
      "C:\\ProgramData\\ArpFlush\\metrics\\key:a.prom",
      "\\\\?\\C:\\ProgramData\\ArpFlush\\metrics\\a.prom",
      "/run/arpflush/arpflush.prom",
    ],
  } as const;
  for (const os of ["linux", "windows"] as const) {
    for (const path of refused[os]) assert.ok(!isMetricsPlace(path, os), JSON.stringify(path));
  }
});

Deno.test("parseSettings() names the folders a MetricsFile may be in", () => {
  assert.deepEqual(parseSettings({ MetricsFile: "/tmp/arpflush.prom" }), {
    problems: [`MetricsFile: "/tmp/arpflush.prom" is not ${metricsPlaces()}`],
  });
  assert.equal(
    metricsPlaces("linux"),
    "empty, or a file NAME.prom in /var/lib/prometheus/node-exporter, /var/lib/node_exporter, " +
      "/run/arpflush",
  );
  assert.equal(
    metricsPlaces("windows"),
    "empty, or a file NAME.prom in C:\\Program Files\\windows_exporter\\textfile_inputs, " +
      "C:\\ProgramData\\ArpFlush\\metrics",
  );
  const { linux, windows } = metricsFolders;
  const own = Deno.build.os === "windows" ? `${windows[0]}\\a.prom` : `${linux[0]}/a.prom`;
  for (const MetricsFile of ["", own]) {
    const taken = parseSettings({ MetricsFile });
    assert.ok("settings" in taken && taken.settings.MetricsFile === MetricsFile);
  }
});
