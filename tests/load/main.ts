/**
 * `deno task load [NAME …]`: loads, losses and faults with full numbers, as Markdown on stdout;
 * `deno task soak --minutes N`: a soak. All in namespaces of their own, which vanish with them. Ends
 * with status 1 when the figures show a broken promise.
 */
import { compilePeers } from "../measure/peers.ts";
import { type Section, sectionText } from "../measure/section.ts";
import { findIsolation } from "../support/namespaces.ts";
import { floodPeersSection, floodSection } from "./flood_sections.ts";
import { hostsSection, lossSection, reloadSection, soakSection } from "./sections.ts";

const loads: Readonly<Record<string, () => Promise<Section>>> = {
  loss: () => lossSection(20_000, 300),
  hosts: async () => {
    await using peers = await compilePeers();
    return await hostsSection(peers, [10, 100, 1_000, 5_000], 15, "docs/spread.svg");
  },
  floods: async () => {
    await using peers = await compilePeers();
    return await floodSection(peers, 200);
  },
  "flood-peers": async () => {
    await using peers = await compilePeers();
    return await floodPeersSection(peers, 7);
  },
  reloads: () => reloadSection(1_000),
};
const usage = `Usage: deno task load [${Object.keys(loads).join("|")} …]
       deno task soak [--minutes N]    default 60`;

/** What to do inside the namespaces, or null for a command line that makes no sense. */
function parse(args: readonly string[]): (() => Promise<Section>)[] | null {
  if (args[0] === "soak") {
    const minutes = args.length === 1 ? 60 : Number(args[1] === "--minutes" ? args[2] : NaN);
    return minutes > 0 && minutes <= 10_000 && args.length !== 2 && args.length <= 3
      ? [() => soakSection(minutes * 60, 1_000)]
      : null;
  }
  const names = args.length === 0 ? Object.keys(loads) : args;
  return names.every((name) => Object.hasOwn(loads, name))
    ? names.map((name) => loads[name])
    : null;
}

async function enterNamespaces(args: readonly string[]): Promise<number> {
  const isolation = await findIsolation();
  if ("missing" in isolation) {
    console.error(`Cannot load the service: this machine lacks ${isolation.missing}`);
    return 1;
  }
  const self = import.meta.url;
  const line = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests", self, "--inside", ...args];
  const [program, ...rest] = [...isolation.argv, ...line];
  const { code } = await new Deno.Command(program, { args: rest }).spawn().status;
  return code;
}

const [first, ...rest] = Deno.args;
const inside = first === "--inside";
const work = parse(inside ? rest : Deno.args);
if (work === null) {
  console.error(usage);
  Deno.exit(2);
}
if (!inside) Deno.exit(await enterNamespaces(Deno.args));
let isBroken = false;
for (const one of work) {
  const section = await one();
  console.log(sectionText(section));
  isBroken ||= (section.broken ?? []).length > 0;
}
Deno.exit(isBroken ? 1 : 0);
