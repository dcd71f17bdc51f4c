/** arpflush-service.8, from the service's usage text and the table of settings. */
import { settingNames, settingTable } from "../../lib/config/settings.ts";
import { serviceUsage } from "../../lib/service/arguments.ts";
import { type Edition, optionsSection, page } from "./page.ts";
import { definitions, example, literal, running, sentence } from "./roff.ts";
import { usageExitCodes } from "./usage_text.ts";

/** What the usage text has no room for, by option. */
const details: Readonly<Record<string, string>> = {
  simulate: "For trying out senders and keys on any machine.",
};

function setting(name: keyof typeof settingTable): [string, string] {
  const { description, allowed, documented = allowed, unit, default: value } = settingTable[name];
  const measure = unit === "" ? "" : ` ${unit}`;
  const limits = `Allowed: ${documented}${measure && `, in${measure}`}.`;
  const text = `${sentence(description)}\n${running(limits)}
Default: ${literal(JSON.stringify(value))}${measure}.`;
  return [`\\fB${name}\\fP`, text];
}

/** The commands that the usage text ends with. */
function firstKey(): string {
  const lines = serviceUsage.slice(serviceUsage.indexOf("Make a key")).split("\n").slice(1);
  return lines.map((line) => line.trim()).join("\n").trim();
}

/** The page. */
export function servicePage(edition: Edition): string {
  return page({
    ...edition,
    name: "arpflush-service",
    section: 8,
    summary: "flush this host's neighbor cache on authenticated request",
    synopsis: "\\fBarpflush\\-service\\fP [\\fIoptions\\fP]",
    sections: {
      DESCRIPTION: `\
.B arpflush\\-service
waits for datagrams of
.BR arpflush (1),
which a VRRP router sends when it has become master.
If one is authentic, fresh and from an allowed source, the service flushes the
host's neighbor (ARP) cache, has the addresses in question resolved anew, and
answers with what it found.
.PP
It runs in the foreground; systemd starts it by the unit
.IR arpflush.service .
Without a key or a password it has nobody to hear, and doesn't start.
On a new host:
${example(`${firstKey()}\nsystemctl restart arpflush`)}.PP
Or the key file comes from a router: all of them share one.
`,
      OPTIONS: optionsSection(serviceUsage, details),
      SETTINGS: `\
In TOML, as
.BR "Port = 27735" .
Strings are in double quotes, lists in brackets.
${definitions(settingNames.map(setting))}`,
      SIGNALS: definitions([
        [
          "\\fBSIGHUP\\fP",
          "Reads settings and keys again; if anything is wrong, the old ones stay.",
        ],
        ["\\fBSIGTERM\\fP, \\fBSIGINT\\fP", "Ends the service."],
      ]),
      "EXIT STATUS": definitions(
        usageExitCodes(serviceUsage).map(([code, text]) => [code, sentence(text)]),
      ),
      FILES: definitions([
        ["\\fI/etc/arpflush/key\\fP", "The shared keys, one a line; readable by root alone."],
        [
          "\\fI/etc/arpflush/arpflush.toml\\fP",
          "The settings; readable by root alone where they hold a password.",
        ],
      ]),
    },
    seeAlso: "arpflush (1),\n.BR ip\\-neighbour (8),\n.BR systemctl (1)",
  });
}
