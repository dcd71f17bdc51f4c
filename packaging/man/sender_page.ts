/** arpflush.1, from the sender's usage text. */
import { usage } from "../../lib/sender/help.ts";
import { type Edition, optionsSection, page } from "./page.ts";
import { definitions, literal, sentence } from "./roff.ts";
import { usageExamples, usageExitCodes } from "./usage_text.ts";

/** What the usage text has no room for, by option. */
const details: Readonly<Record<string, string>> = {
  all: "Each interface's directed broadcast address gets the datagram.",
  address: "Hosts are asked who has it now.",
  "no-verify": "They flush and answer at once.",
  expect:
    "The file has one name a line; missing hosts are named, and the run ends as soon as all " +
    "have confirmed.",
  "key-file": "Readable by its owner alone; the first key signs, every key verifies.",
  password: "Every user of this machine can read it among the arguments of processes.",
  syslog: "A warning unless the exit status is 0.",
  quiet: "Print nothing but errors.",
  verbose: "Also print what is sent where.",
  keygen: "Printed, and nothing else done.",
  help: "Print the usage and exit.",
  version: "Print the version and exit.",
};

/** The page. */
export function senderPage(edition: Edition): string {
  const examples = usageExamples(usage, "arpflush");
  return page({
    ...edition,
    name: "arpflush",
    section: 1,
    summary: "make hosts flush their neighbor cache after a failover, and check it",
    synopsis: "\\fBarpflush\\fP [\\fIoptions\\fP] [\\fIHOST\\fP ...]",
    sections: {
      DESCRIPTION: `\
.B arpflush
runs on a VRRP router that has just become master, usually from keepalived's
.BR notify_master .
It sends a signed datagram to the hosts that run
.BR arpflush\\-service (8),
which flush their neighbor (ARP) caches, ask again who has the router's
addresses, and answer.
It reports host by host what came of it.
A
.I HOST
is a name, an address or a broadcast address.
`,
      OPTIONS: optionsSection(usage, details),
      "EXIT STATUS": definitions(
        usageExitCodes(usage).map(([code, text]) => [code, sentence(text)]),
      ),
      EXAMPLES: definitions(
        examples.map(([command, why]) => [`\\fB${literal(command)}\\fP`, sentence(why)]),
      ),
      FILES: definitions([
        [
          "\\fI/etc/arpflush/key\\fP",
          "The shared keys, one a line; readable by its owner alone.\nkeepalived runs " +
          "scripts as the user\n.BR keepalived_script ,\nwho must own it.",
        ],
        [
          "\\fI/etc/arpflush/log\\fP",
          "A link to\n.I /dev/log\nfor\n.B \\-\\-syslog\nwhere there is no journald.",
        ],
      ]),
    },
    seeAlso: "arpflush\\-service (8),\n.BR keepalived.conf (5)",
  });
}
