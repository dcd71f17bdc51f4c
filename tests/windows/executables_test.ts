/** What the compiled programs leave behind and trust, of both systems, as they can be run here. */
import assert from "node:assert/strict";
import { NtExecutable, NtExecutableResource } from "pe-library";
import { Resource } from "resedit";
import { arpflushVersion } from "../../lib/version.ts";
import { programs, publisher } from "../../packaging/programs.ts";
import { outcomeOf } from "../support/command.ts";
import { compiled } from "./wine/executables.ts";
import { checkoutPath } from "./wine/paths.ts";
import { openWineSession, runLibProgram, windowsPath } from "./wine/session.ts";

async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
}

const nobody = "127.0.0.1";
/** Long enough for the runtime to have kept what it wants to keep. */
const line = ["-P", "secret", "-c", "2", "-i", "500ms", nobody];

Deno.test("Windows shows version, publisher and purpose of the compiled programs, and their icon", async () => {
  const folder = await compiled("windows-x64");
  const files = programs.map(({ name }) => `${name}.exe`);
  await using session = await openWineSession();
  const paths = files.map((file) => windowsPath(`/checkout/${folder}/${file}`));
  assert.deepEqual(
    await runLibProgram(session, "version", ...paths),
    programs.map(({ description }, i) => ({
      FileDescription: description,
      FileVersion: arpflushVersion,
      ProductName: publisher.product,
      CompanyName: publisher.company,
      OriginalFilename: files[i],
    })),
  );
  for (const file of files) {
    const bytes = await Deno.readFile(`${checkoutPath}/${folder}/${file}`);
    const { entries } = NtExecutableResource.from(NtExecutable.from(bytes));
    const [group] = Resource.IconGroupEntry.fromEntries(entries);
    assert.deepEqual(group.icons.map(({ width }) => width), [16, 24, 32, 48, 64], file);
  }
});

// The runtime would take compiled code from there, whoever wrote it, and runs as root or LocalSystem.
Deno.test("a compiled program keeps no compiled code where others may write", async (t) => {
  await t.step("on Linux", async () => {
    const program = `${checkoutPath}/${await compiled("linux-x64")}/arpflush`;
    const TMPDIR = await Deno.makeTempDir({ prefix: "arpflush-executables-" });
    try {
      const { code } = await outcomeOf([program, ...line], { env: { TMPDIR } });
      assert.equal(code, 0);
      assert.deepEqual(await namesIn(TMPDIR), []);
    } finally {
      await Deno.remove(TMPDIR, { recursive: true });
    }
  });

  await t.step("on Windows", async () => {
    const program = windowsPath(`/checkout/${await compiled("windows-x64")}/arpflush.exe`);
    await using session = await openWineSession();
    const { code } = await session.wine([program, ...line]);
    assert.equal(code, 0);
    const kept = await session.unix(["find", "/prefix/drive_c", "-name", "deno-compile-*"]);
    assert.deepEqual(kept, { code: 0, stdout: "", stderr: "" });
  });
});
