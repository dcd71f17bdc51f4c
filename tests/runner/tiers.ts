/** The tiers of tests: what each holds and what it needs. A new tier is one entry here. */
import type { CommandLine } from "../support/command.ts";
import { findIsolation } from "../support/namespaces.ts";
import { wineLack } from "../windows/wine/lack.ts";

/** What is put before the command line of a tier's tests, or what the machine lacks for them. */
export type Place = { readonly argv: CommandLine } | { readonly missing: string };

/** A tier. */
export interface Tier {
  readonly name: string;
  /** Where its tests are, with a slash at the end; a file belongs to the longest that fits. */
  readonly folder: string;
  /** Finds out what the machine can do, best by trying. */
  readonly place: () => Place | Promise<Place>;
  /** Whether what its tests print is shown: timelines and figures. @default false */
  readonly printsFindings?: boolean;
  /** Files that are run two at a time: none whose times count. @default none */
  readonly pairs?: (file: string) => boolean;
}

/** All of them, in the order in which they are run. */
export const tiers: readonly Tier[] = [
  { name: "unit", folder: "tests/", place: () => ({ argv: [] }) },
  { name: "net", folder: "tests/net/", place: findIsolation },
  {
    name: "lab",
    folder: "tests/lab/",
    place: rootWith("ip", "nft", "keepalived", "ping"),
    printsFindings: true,
  },
  {
    name: "windows",
    folder: "tests/windows/",
    place: findWine,
    printsFindings: true,
    pairs: (file) => file.startsWith("tests/windows/powershell/"),
  },
];

/** The tier that a file of tests belongs to. */
export function tierOf(file: string, all: readonly Tier[] = tiers): Tier | undefined {
  const fitting = all.filter(({ folder }) => file.startsWith(folder));
  return fitting.sort((a, b) => b.folder.length - a.folder.length)[0];
}

/** A machine where this is run as root on Linux, with these programs. */
function rootWith(...programs: readonly string[]): () => Promise<Place> {
  return async () => {
    if (Deno.build.os !== "linux") return { missing: `Linux (this is ${Deno.build.os})` };
    if (Deno.uid() !== 0) return { missing: "root" };
    const found = await Promise.all(programs.map(isInPath));
    const lacking = programs.filter((_, i) => !found[i]);
    return lacking.length === 0 ? { argv: [] } : { missing: lacking.join(", ") };
  };
}

/** What tests/windows/wine/setup.sh builds, and what the chain needs besides. */
async function findWine(): Promise<Place> {
  const place = await rootWith("unshare", "mount", "nft", "keepalived", "ping", "openssl", "zip")();
  if ("missing" in place) return place;
  const lack = await wineLack();
  return lack === null ? place : { missing: lack };
}

async function isInPath(program: string): Promise<boolean> {
  const folders = (Deno.env.get("PATH") ?? "").split(":").filter((folder) => folder !== "");
  const files = folders.map((folder) =>
    Deno.stat(`${folder}/${program}`).then((file) => file.isFile, () => false)
  );
  return (await Promise.all(files)).includes(true);
}
