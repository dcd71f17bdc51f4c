/** A packed folder with a stand-in for its runtime, so that packages of it are small. */
import { addCompanions } from "../../packaging/pack.ts";
import { programs } from "../../packaging/programs.ts";
import type { ReleaseParts } from "../../packaging/release.ts";

/** What a release is made of here, on a day in 2023. */
export const standInParts: Omit<ReleaseParts, "output"> = {
  version: "0.0.9",
  epoch: 1_700_000_000,
  changes: [
    "A stand-in for an older version.",
    "Its second item takes more than the eighty columns that a line of a changelog may have.",
  ],
  documents: {
    "CHANGELOG.md": "# Changelog\n",
    "NOTICES.txt": "Copyright 2023 by nobody\n",
    "arpflush.spdx.json": "{}\n",
  },
};

/** Makes the folder; its programs print who they are, whatever they are asked. */
export async function packStandIn(folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  for (const { name } of programs) {
    await Deno.writeTextFile(`${folder}/${name}.js`, "// stand-in\n");
  }
  await Deno.mkdir(`${folder}/arpflush-parts`);
  await Deno.writeTextFile(`${folder}/arpflush-parts/send.js`, "// stand-in\n");
  await Deno.writeTextFile(`${folder}/deno`, "#!/bin/sh\necho stand-in runtime\n");
  await addCompanions(folder);
}
