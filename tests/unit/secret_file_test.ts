import assert from "node:assert/strict";
import { readSecretFile, readTrustedFile } from "../../lib/secret_file.ts";
import { inFolder, run } from "../support/command.ts";

const hasModes = Deno.build.os !== "windows";

function withFile(
  content: string | Uint8Array<ArrayBuffer>,
  mode: number,
  test: (path: string) => void | Promise<void>,
): Promise<void> {
  return inFolder(async (folder) => {
    const path = `${folder}/a key`;
    await Deno.writeFile(path, new Uint8Array(await new Blob([content]).arrayBuffer()));
    if (hasModes) await Deno.chmod(path, mode);
    await test(path);
  });
}

type Read = typeof readSecretFile;
const secret: Read = (path) => readSecretFile(path);
const settings: Read = (path) => readTrustedFile(path, "settings");

/** Files by their mode, and what others can do to one that is refused. */
const modes: [read: Read, mode: number, can: "read" | "use" | "change" | null][] = [
  ...[0o600, 0o400].map((mode): [Read, number, null] => [secret, mode, null]),
  ...[0o640, 0o644, 0o604, 0o1666].map((mode): [Read, number, "read"] => [secret, mode, "read"]),
  ...[0o602, 0o620, 0o601].map((mode): [Read, number, "use"] => [secret, mode, "use"]),
  ...[0o600, 0o644, 0o755].map((mode): [Read, number, null] => [settings, mode, null]),
  ...[0o664, 0o646, 0o620, 0o602].map((mode): [Read, number, "change"] => [
    ...[settings, mode, "change"] as const,
  ]),
];
for (const [read, mode, can] of modes) {
  const [name, what, mend] = read === secret
    ? ["readSecretFile", "key file", "600"]
    : ["readTrustedFile", "settings", "go-w"];
  const digits = mode.toString(8).padStart(4, "0");
  Deno.test({
    name: `${name}() ${can === null ? "reads" : "refuses"} mode ${digits}`,
    ignore: !hasModes,
    fn: () =>
      withFile("# é\nsecret\n", mode, (path) => {
        if (can === null) return assert.equal(read(path), "# é\nsecret\n");
        const message = `Cannot read ${what} "${path}": refused, others can ${can} it ` +
          `(mode ${digits}); run chmod ${mend} '${path}'`;
        assert.throws(() => read(path), { message });
      }),
  });
}

Deno.test({
  name: "readSecretFile() looks at the file behind a symbolic link",
  ignore: !hasModes,
  fn: () =>
    withFile("secret", 0o644, async (path) => {
      await Deno.symlink(path, `${path}.link`);
      assert.throws(() => readSecretFile(`${path}.link`), /mode 0644/);
    }),
});

Deno.test("readSecretFile() names what the file is for, the path and the system's reason", () => {
  assert.throws(() => readSecretFile("/nowhere/it is", "password file"), {
    message: 'Cannot read password file "/nowhere/it is": No such file or directory',
  });
});

Deno.test("readSecretFile() takes 64 KiB and refuses a byte more, and what isn't UTF-8", async () => {
  await withFile("a".repeat(65536), 0o600, (path) => {
    assert.equal(readSecretFile(path).length, 65536);
  });
  await withFile("a".repeat(65537), 0o600, (path) => {
    assert.throws(() => readSecretFile(path), /: it is larger than 64 KiB$/);
  });
  await withFile(new Uint8Array([0x73, 0x65, 0xff]), 0o600, (path) => {
    const message = `Cannot read key file "${path}": it is not UTF-8 text`;
    assert.throws(() => readSecretFile(path), { message });
  });
});

Deno.test("readSecretFile() and readTrustedFile() read regular files alone, and never wait for one", () =>
  inFolder(async (folder) => {
    const pipe = `${folder}/pipe`;
    if (hasModes) await run(["mkfifo", "-m", "600", pipe]);
    for (const path of hasModes ? [pipe, folder, "/dev/zero"] : [folder]) {
      const message = hasModes
        ? `Cannot read key file "${path}": it is not a regular file`
        : /^Cannot read key file ".*": /;
      assert.throws(() => readSecretFile(path), { message });
      assert.throws(() => readTrustedFile(path, "key file"), { message });
    }
  }));
