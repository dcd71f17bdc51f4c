import assert from "node:assert/strict";
import {
  createHostKeyFile,
  type HostKeyStore,
  loadHostKey,
} from "../../../lib/service/host_key.ts";
import { formatKey } from "../../../lib/wire/keys.ts";
import { inFolder } from "../../support/command.ts";
import { createRouter } from "../../support/datagrams.ts";

Deno.test("loadHostKey() has one for this start where it can't be kept or read, and says why", () => {
  const written: Uint8Array[] = [];
  const store: HostKeyStore = { read: () => null, write: (seed) => void written.push(seed) };
  const fail = (what: string) => () => {
    throw new Error(`Cannot ${what} host key`);
  };
  const unwritten = loadHostKey({ ...store, write: fail("write") });
  assert.equal(unwritten.fault, "Cannot write host key");
  const unread = loadHostKey({ ...store, read: fail("read") });
  assert.equal(unread.fault, "Cannot read host key");
  assert.equal(written.length, 0, "a key that is there is not written over");
  assert.notDeepEqual(unread.signer.publicKey, unwritten.signer.publicKey);
  assert.equal(loadHostKey(null).fault, null);
});

const linux = { ignore: Deno.build.os === "windows" };

Deno.test(
  "createHostKeyFile() keeps a key that its owner alone can read",
  linux,
  () =>
    inFolder((folder) => {
      const store = createHostKeyFile(`${folder}/state`);
      assert.equal(store.read(), null);
      const { signer, fault } = loadHostKey(store);
      assert.equal(fault, null);
      const path = `${folder}/state/host-key`;
      assert.equal((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
      assert.equal((Deno.statSync(`${folder}/state`).mode ?? 0) & 0o777, 0o700);
      const text = Deno.readTextFileSync(path);
      assert.ok(text.includes(`: ${formatKey("host", signer.publicKey)}\n`));
      assert.deepEqual([...Deno.readDirSync(`${folder}/state`)].map(({ name }) => name), [
        "host-key",
      ]);
      const again = loadHostKey(createHostKeyFile(`${folder}/state`));
      assert.deepEqual(again.signer.publicKey, signer.publicKey);
    }),
);

Deno.test(
  "createHostKeyFile() refuses one that others can read, and one that is broken",
  linux,
  () =>
    inFolder((folder) => {
      const store = createHostKeyFile(folder);
      const path = `${folder}/host-key`;
      // Left of a start that was cut short, and open to others.
      Deno.writeTextFileSync(`${path}.new`, "", { mode: 0o644 });
      const seed = new Uint8Array(32).fill(1);
      store.write(seed);
      assert.deepEqual(store.read(), seed);
      const text = Deno.readTextFileSync(path);
      Deno.chmodSync(path, 0o644);
      assert.throws(() => store.read(), {
        message: `Cannot read host key "${path}": refused, others can read it (mode 0644); ` +
          `run chmod 600 ${path}`,
      });
      Deno.chmodSync(path, 0o600);
      const broken = [
        ...["", "arpflush-host-secret-AA", "AAECAw", `${createRouter(1).secretText}\n`],
        ...[text.replace("-host-secret-", "-else-secret-"), `${text}${text}`],
      ];
      for (const text of broken) {
        Deno.writeTextFileSync(path, text);
        assert.throws(() => store.read(), {
          message: `Cannot read host key "${path}": it is broken`,
        });
      }
    }),
);

Deno.test("createHostKeyFile() says why it can't write", linux, () =>
  inFolder((folder) => {
    Deno.writeTextFileSync(`${folder}/file`, "");
    const { fault } = loadHostKey(createHostKeyFile(`${folder}/file/state`));
    assert.match(fault ?? "", /^Cannot (read|write) host key ".*\/host-key": Not a directory$/);
  }));
