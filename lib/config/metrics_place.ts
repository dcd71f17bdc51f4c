/**
 * Where a metrics file may be. The program is given the right to write there when it is built, and
 * nowhere else: deno.json has the same folders.
 */

/** The systems that have places. */
type System = "linux" | "windows";

/**
 * Folders by system, those below them included: where Debian's node_exporter, others' node_exporter
 * and windows_exporter look, and one of the service's own.
 */
export const metricsFolders: Readonly<Record<System, readonly string[]>> = {
  linux: ["/var/lib/prometheus/node-exporter", "/var/lib/node_exporter", "/run/arpflush"],
  windows: [
    "C:\\Program Files\\windows_exporter\\textfile_inputs",
    "C:\\ProgramData\\ArpFlush\\metrics",
  ],
};

const systemOf = (os: typeof Deno.build.os): System => os === "windows" ? os : "linux";
const anyOf = (system: System) => `a file NAME.prom in ${metricsFolders[system].join(", ")}`;

/** What is allowed, to go behind "is not". */
export function metricsPlaces(os: typeof Deno.build.os = Deno.build.os): string {
  return `empty, or ${anyOf(systemOf(os))}`;
}

/** What is allowed, for those who read about every system. */
export const metricsPlacesEverywhere = `empty, or ${anyOf("linux")}; on Windows ${
  anyOf("windows")
}`;

/** Whether a path is a file that collectors read and the program may write. */
export function isMetricsPlace(path: string, os: typeof Deno.build.os = Deno.build.os): boolean {
  const windows = os === "windows";
  // Windows takes both slashes, and doesn't tell upper case from lower.
  const plain = (text: string) => windows ? text.replaceAll("/", "\\").toLowerCase() : text;
  const separator = windows ? "\\" : "/";
  return metricsFolders[systemOf(os)].some((folder) => {
    const start = plain(folder) + separator;
    if (!plain(path).startsWith(start)) return false;
    const names = plain(path).slice(start.length).split(separator);
    return names.every(isFileName) && /[^.].*\.prom$/.test(names[names.length - 1]);
  });
}

/** A name as these folders have them: no way up, no alternate stream, no wildcard. */
function isFileName(name: string): boolean {
  return /^[\w.+ -]{1,128}$/.test(name) && !/^\.+$/.test(name);
}
