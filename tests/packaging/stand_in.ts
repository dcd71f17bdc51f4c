/** The folder for routers and hosts with a stand-in for its runtime, so that packages are small. */
import { launcherText, programs } from "../../packaging/launcher.ts";
import type { ReleaseParts } from "../../packaging/release.ts";
import config from "../../deno.json" with { type: "json" };

const packaging = new URL("../../packaging/", import.meta.url);

/** What a release is made of here: fast to compress, and of a day in 2023. */
export const standInParts: Omit<ReleaseParts, "output"> = {
  version: "0.0.9",
  epoch: 1_700_000_000,
  release: {
    date: "2023-11-14",
    items: [
      "A stand-in for an older version.",
      "Its second item takes more than the eighty columns that a line of a changelog may have.",
    ],
  },
  documents: {
    "CHANGELOG.md": "# Changelog\n",
    "NOTICES.txt": "Copyright 2023 by nobody\n",
    "arpflush.spdx.json": "{}\n",
  },
  manualPages: {
    "arpflush.1": await Deno.readTextFile(new URL("man/arpflush.1", packaging)),
    "arpflush-service.8": await Deno.readTextFile(new URL("man/arpflush-service.8", packaging)),
  },
  compression: { level: 1, deb: { type: "gzip", level: 1 } },
};

/** Makes the folder; its programs say who they are, whatever they are asked. */
export async function packStandIn(folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  for await (const { name, isFile } of Deno.readDir(packaging)) {
    if (isFile && !name.endsWith(".ts")) {
      await Deno.copyFile(new URL(name, packaging), `${folder}/${name}`);
    }
  }
  for (const program of programs) {
    const { name, permissions } = program;
    const text = launcherText(program, config.permissions[permissions], config.unstable);
    await Deno.writeTextFile(`${folder}/${name}`, text);
    await Deno.writeTextFile(`${folder}/${name}.js`, "// stand-in\n");
    await Deno.chmod(`${folder}/${name}`, 0o755);
  }
  await Deno.writeTextFile(`${folder}/deno`, "#!/bin/sh\necho stand-in runtime\n");
  await Deno.chmod(`${folder}/deno`, 0o755);
}
