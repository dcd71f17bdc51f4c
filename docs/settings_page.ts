/** docs/settings.md and the example file, from the table of settings. */
import { settingNames, settingTable } from "../lib/config/settings.ts";
import { wrap } from "./wrap.ts";

/** A default as the file would give it. */
function defaultText(name: keyof typeof settingTable): string {
  return JSON.stringify(settingTable[name].default);
}

/** The page. */
export function settingsPage(): string {
  const sections = settingNames.map((name) => {
    const { description, allowed, documented = allowed, unit } = settingTable[name];
    const rows = [
      `## ${name}`,
      "",
      wrap(`${description}.`),
      "",
      `- Default: \`${defaultText(name)}\`${unit === "" ? "" : ` ${unit}`}`,
      `- ${wrap(`Allowed: ${documented}`, "  ").trimStart()}`,
    ];
    return rows.join("\n");
  });
  return `# Settings

<!-- Made from lib/config/settings.ts by docs/generate.ts; change it there. -->

On Linux the service reads \`/etc/arpflush/arpflush.toml\`, or the file that \`--config\` names. Without
a file, and for every setting that a file leaves out, the defaults are in effect. \`--check\` prints
the settings in effect and where each comes from, or every error at once. SIGHUP
(\`systemctl reload arpflush\`) reads settings and keys again; if anything is wrong with them the old
ones stay, and the log says why.

A file that holds a Password, and the key file, must not be readable by others (mode 0600).

${sections.join("\n\n")}
`;
}

/** The example file: everything there is, at its default, to be uncommented. */
export function exampleSettings(): string {
  const settings = settingNames.map((name) => {
    const { description, allowed, documented = allowed, unit } = settingTable[name];
    const measure = unit === "" ? "" : ` (${unit})`;
    const limits = wrap(`Allowed${measure}: ${documented}`, "# ");
    return `# ${description}\n${limits}\n#${name} = ${defaultText(name)}\n`;
  });
  return `# Settings of the ArpFlush service: copy to /etc/arpflush/arpflush.toml and uncomment what is to
# differ from the default. Check with: arpflush-service --check

${settings.join("\n")}`;
}
