/** `deno task docs`: writes docs/settings.md, docs/events.md and packaging/arpflush.toml from lib/. */
import { settingNames, settingTable, settingText } from "../lib/config/settings.ts";
import { events } from "../lib/log/events.ts";

/** What makes each generated file, by path from the repository's root. */
export const pages: Readonly<Record<string, () => string>> = {
  "docs/settings.md": settingsPage,
  "docs/events.md": eventsPage,
  "packaging/arpflush.toml": exampleSettings,
};

function settingsPage(): string {
  const sections = settingNames.map((name) => {
    const { description, allowed, documented = allowed, unit } = settingTable[name];
    const measure = unit === undefined ? "" : ` ${unit}`;
    const limits = `Default \`${defaultText(name)}\`${measure}; allowed: ${documented}`;
    return [`## ${name}`, wrap(`${description}.`), wrap(limits)].join("\n\n");
  });
  const introduction = [
    "On Linux the service reads `/etc/arpflush/arpflush.toml`, or what `--config` names. `--check` prints " +
    "the settings in effect, or every error at once. `systemctl reload arpflush` (SIGHUP) reads them " +
    "again; if anything is wrong, the old ones stay. Windows: [windows.md](windows.md#settings).",
    "A file that others can change is refused (mode 0644), for they could list a router of " +
    "their own; one with a Password must not be readable by others either (mode 0600).",
  ].map((text) => wrap(text));
  return `# Settings

<!-- Made from lib/config/settings.ts by \`deno task docs\`; change it there. -->

${introduction.join("\n\n")}

${sections.join("\n\n")}
`;
}

function eventsPage(): string {
  const kinds = Object.entries(events).toSorted(([, a], [, b]) => a.id - b.id);
  const sections = kinds.map(([name, { id, severity, text, advice = "" }]) => {
    return wrap(`**${id} ${name}** (${severity}) _${text}_ ${advice}`.trim());
  });
  const introduction =
    'What the service says in its log on stderr (text, or JSON lines with `LogFormat = "json"`, which have ' +
    "the values of `{names}` in `properties`, with `event` and `id`) and on Windows in the application event " +
    "log, source ArpFlush, by this number. Numbers are never used again for another meaning. No event " +
    "holds a key, a password or a datagram's content.";
  return `# Events

<!-- Made from lib/log/events.ts by \`deno task docs\`; change it there. -->

${wrap(introduction)}

${sections.join("\n\n")}
`;
}

/** The example file: every setting at its default, commented out. */
function exampleSettings(): string {
  const settings = settingNames.map((name) => {
    const { description, allowed, documented = allowed, unit } = settingTable[name];
    const measure = unit === undefined ? "" : ` (${unit})`;
    const limits = wrap(`Allowed${measure}: ${documented}`, "# ");
    return `# ${description}\n${limits}\n#${name} = ${defaultText(name)}\n`;
  });
  return `# Settings of the ArpFlush service: copy to /etc/arpflush/arpflush.toml and uncomment what is to
# differ from the default. Check with: arpflush-service --check

${settings.join("\n")}`;
}

/** A default as the settings file would give it. */
function defaultText(name: keyof typeof settingTable): string {
  return settingText(name, settingTable[name].default);
}

/** Breaks a paragraph as `deno fmt` does: at spaces, at most 100 characters a line. */
export function wrap(paragraph: string, prefix = ""): string {
  const lines = [""];
  for (const word of paragraph.split(/\s+/)) {
    const last = lines[lines.length - 1];
    if (last === "") lines[lines.length - 1] = prefix + word;
    else if (last.length + 1 + word.length <= 100) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(prefix + word);
  }
  return lines.join("\n");
}

if (import.meta.main) {
  for (const [path, page] of Object.entries(pages)) {
    Deno.writeTextFileSync(new URL(`../${path}`, import.meta.url), page());
  }
}
