import assert from "node:assert/strict";
import { defaultSettings, type Settings } from "../../../lib/config/settings.ts";
import { loadKeyring, readKeyFile } from "../../../lib/service/keys.ts";
import { StartError } from "../../../lib/service/start_error.ts";
import { generateKeyFile } from "../../../lib/wire/keys.ts";

const keyFile = generateKeyFile(new Date());
const missing = () => null;

function withSettings(changes: Partial<Settings>): Settings {
  return { ...defaultSettings(), ...changes };
}

Deno.test("loadKeyring() reads the keys from the file that KeyFile names", () => {
  const paths: string[] = [];
  const ring = loadKeyring(withSettings({ KeyFile: "/k" }), (path) => {
    paths.push(path);
    return keyFile + generateKeyFile(new Date());
  });
  assert.equal(ring?.keys.length, 2);
  assert.deepEqual(paths, ["/k"]);
});

Deno.test("loadKeyring() is null without a key where a Password will do, and reads no file for it", () => {
  const Password = "secret";
  assert.equal(loadKeyring(withSettings({ Password }), missing), null);
  const none = withSettings({ Password, KeyFile: "" });
  assert.equal(loadKeyring(none, () => assert.fail("read a file")), null);
  // With a Password and a key both are used.
  assert.ok(loadKeyring(withSettings({ Password }), () => keyFile) !== null);
});

Deno.test("loadKeyring() says with which line to make a key", () => {
  for (const [changes, file] of [[{}, "/etc/arpflush/key"], [{ KeyFile: "/k" }, "/k"]] as const) {
    assert.throws(() => loadKeyring(withSettings(changes), missing), (error) => {
      assert.ok(error instanceof StartError);
      assert.equal(error.event, "keyMissing");
      assert.equal(error.exitStatus, 2);
      assert.ok(error.message.includes(`Key file "${file}" does not exist`), error.message);
      assert.match(error.message, new RegExp(`umask 077; .* --keygen >${file}\\)$`));
      return true;
    });
  }
  assert.throws(
    () => loadKeyring(withSettings({ KeyFile: "" }), missing),
    /KeyFile is empty and no Password is set/,
  );
});

Deno.test("loadKeyring() takes no Password for a key file that was named and is missing", () => {
  const settings = withSettings({ Password: "secret", KeyFile: "/k" });
  assert.throws(() => loadKeyring(settings, missing), /Key file "\/k" does not exist/);
});

Deno.test("loadKeyring() names file and line of a broken key, not the key", () => {
  const broken = "# key\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n";
  assert.throws(() => loadKeyring(withSettings({ KeyFile: "/k" }), () => broken), {
    event: "keyFileUnusable",
    message: 'Cannot read key file "/k": line 2 is not a key (32 bytes in base64)',
  });
});

Deno.test("readKeyFile() tells a missing file from one that can't be read", () => {
  const folder = Deno.makeTempDirSync();
  try {
    assert.equal(readKeyFile(`${folder}/key`), null);
    assert.throws(() => readKeyFile(folder), /^Error: Cannot read key file "/);
    Deno.writeTextFileSync(`${folder}/key`, keyFile, { mode: 0o600 });
    assert.equal(readKeyFile(`${folder}/key`), keyFile);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
