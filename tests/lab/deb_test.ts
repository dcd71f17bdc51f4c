/** The Debian packages, judged by lintian, and installed, upgraded, used, removed and purged. */
import assert from "node:assert/strict";
import { arpflushVersion } from "../../lib/version.ts";
import { pack } from "../../packaging/pack.ts";
import { makeDebs, releaseParts } from "../../packaging/release.ts";
import { packStandIn, standInParts } from "../packaging/stand_in.ts";
import { inFolder, isInstalled, outcomeOf } from "../support/command.ts";
import { runScript, sectionsOf } from "./apart.ts";

/** Packages of an older version with other settings, whose runtime is a stand-in. */
async function makeOlder(output: string): Promise<void> {
  const packed = `${output}/stage/arpflush`;
  await packStandIn(packed);
  await Deno.writeTextFile(`${packed}/arpflush.toml`, "# Older.\n#Port = 27735\n");
  await makeDebs(packed, { ...standInParts, output });
}

/** This version's packages as they are released, but for their compression, which takes long. */
async function makeNewer(output: string): Promise<void> {
  const packed = `${output}/stage/arpflush`;
  await pack(packed);
  Deno.env.set("DPKG_DEB_COMPRESSOR_TYPE", "gzip");
  Deno.env.set("DPKG_DEB_COMPRESSOR_LEVEL", "1");
  await makeDebs(packed, await releaseParts(output));
}

const ignore = !await isInstalled("dpkg", "dpkg-buildpackage", "dh", "lintian");

const name = "makeDebs() makes packages that come, work and go as Debian wants it";
Deno.test({ name, ignore }, () =>
  inFolder(async (folder) => {
    await makeOlder(`${folder}/older`);
    await makeNewer(`${folder}/newer`);
    const { code, stdout, stderr } = await runScript("deb_life.sh", [folder], 120);
    assert.deepEqual(sectionsOf(stdout), {
      // Commands are found, the service is enabled.
      "older": [
        "stand-in runtime",
        "stand-in runtime",
        "/lib/systemd/system/arpflush.service",
      ],
      // Settings and the choice to disable the service stay, files are intact.
      "newer": [
        `arpflush ${arpflushVersion} ii `,
        `arpflush-service ${arpflushVersion} ii `,
        `arpflush ${arpflushVersion}`,
        `arpflush-service ${arpflushVersion}`,
        "Port = 30000",
        "??5?????? c /etc/arpflush/arpflush.toml",
        "still disabled",
        "cache filled",
      ],
      // The unit's program answers the sender.
      "work": ['"state": "alive"', "ended well"],
      // Settings and keys stay, everything else is gone.
      "removed": [
        "arpflush rc ",
        "arpflush-service rc ",
        "/etc/arpflush/arpflush.toml",
        "/etc/arpflush/arpflush.toml.dpkg-dist",
        "/etc/arpflush/key",
        "/var/lib/arpflush/host-key",
      ],
      // Nothing is left but the router's key.
      "purged": [
        "dpkg-query: no packages found matching arpflush",
        "dpkg-query: no packages found matching arpflush-service",
        "left /etc/arpflush/key",
      ],
    }, stdout + stderr);
    assert.equal(code, 0, stderr);

    const files = ["arpflush", "arpflush-service"].map((name) =>
      `${folder}/older/${name}_${standInParts.version}_amd64.deb`
    );
    const options = ["--allow-root", "--fail-on", "error,warning"];
    const lintian = await outcomeOf(["lintian", ...options, ...files]);
    assert.equal(lintian.code, 0, lintian.stdout + lintian.stderr);
  }));
