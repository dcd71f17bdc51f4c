import assert from "node:assert/strict";
import { readSecretFile, readTrustedFile } from "../../lib/secret_file.ts";

const hasModes = Deno.build.os !== "windows";

async function withFile(
  content: string | Uint8Array,
  mode: number,
  test: (path: string) => void | Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/a key`;
    await Deno.writeFile(
      path,
      typeof content === "string" ? new TextEncoder().encode(content) : content,
    );
    if (hasModes) await Deno.chmod(path, mode);
    await test(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (const mode of [0o600, 0o400]) {
  Deno.test({
    name: `readSecretFile() reads a file of mode ${mode.toString(8)}`,
    ignore: !hasModes,
    fn: () =>
      withFile("# é\nsecret\n", mode, (path) => {
        assert.equal(readSecretFile(path), "# é\nsecret\n");
      }),
  });
}

for (
  const [mode, can] of [
    [0o640, "read"],
    [0o644, "read"],
    [0o604, "read"],
    [0o602, "use"],
    [0o620, "use"],
    [0o601, "use"],
    [0o1666, "read"],
  ] as const
) {
  Deno.test({
    name: `readSecretFile() refuses mode ${mode.toString(8)} and says what mends it`,
    ignore: !hasModes,
    fn: () =>
      withFile("secret", mode, (path) => {
        const digits = mode.toString(8).padStart(4, "0");
        const message = `Cannot read key file "${path}": refused, others can ${can} it ` +
          `(mode ${digits}); run chmod 600 '${path}'`;
        assert.throws(() => readSecretFile(path), { message });
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

Deno.test("readSecretFile() refuses a folder", async () => {
  const folder = await Deno.makeTempDir();
  try {
    assert.throws(() => readSecretFile(folder), /^Error: Cannot read key file ".*": /);
  } finally {
    await Deno.remove(folder);
  }
});

Deno.test("readSecretFile() takes 64 KiB and refuses a byte more", async () => {
  await withFile("a".repeat(65536), 0o600, (path) => {
    assert.equal(readSecretFile(path).length, 65536);
  });
  await withFile("a".repeat(65537), 0o600, (path) => {
    assert.throws(() => readSecretFile(path), /: it is larger than 64 KiB$/);
  });
});

Deno.test("readSecretFile() refuses what isn't UTF-8 and shows nothing of it", () =>
  withFile(new Uint8Array([0x73, 0x65, 0xff]), 0o600, (path) => {
    assert.throws(() => readSecretFile(path), {
      message: `Cannot read key file "${path}": it is not UTF-8 text`,
    });
  }));

Deno.test({
  name: "readTrustedFile() lets others read, but refuses what they can change",
  ignore: !hasModes,
  async fn() {
    for (const mode of [0o600, 0o644, 0o755]) {
      await withFile("a", mode, (path) => assert.equal(readTrustedFile(path, "settings"), "a"));
    }
    for (const mode of [0o664, 0o646, 0o620, 0o602]) {
      await withFile("a", mode, (path) => {
        const message = `Cannot read settings "${path}": refused, others can change it ` +
          `(mode 0${mode.toString(8)}); run chmod go-w '${path}'`;
        assert.throws(() => readTrustedFile(path, "settings"), { message });
      });
    }
  },
});

Deno.test({
  name: "readSecretFile() and readTrustedFile() read regular files alone, and never wait for one",
  ignore: !hasModes,
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const pipe = `${folder}/pipe`;
      await new Deno.Command("mkfifo", { args: ["-m", "600", pipe] }).output();
      for (const path of [pipe, folder, "/dev/zero"]) {
        const message = `Cannot read key file "${path}": it is not a regular file`;
        assert.throws(() => readSecretFile(path), { message });
        assert.throws(() => readTrustedFile(path, "key file"), { message });
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
