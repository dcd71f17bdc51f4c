/**
 * The folder that `deno task pack` makes, where routers have it: no network to download from, an
 * empty environment, file systems that can't be written, a user without a home.
 */
import assert from "node:assert/strict";
import { versionText } from "../../lib/version.ts";
import { pack } from "../../packaging/pack.ts";
import { type CommandOutcome, inFolder, outcomeOf } from "../support/command.ts";
import { findIsolation } from "../support/namespaces.ts";

/**
 * The folder at /run/arpflush, a key and a host that obeys it, a folder that is root's alone, a link to a link to the sender,
 * and a segment of two interfaces; then everything is read-only. `as_user` runs a command as
 * keepalived would.
 */
const prepare = `set -e
mkdir /run/arpflush /run/links
mkdir -m 700 /run/locked
mount --bind "$1" /run/arpflush
ln -s /run/arpflush/arpflush /run/links/first
ln -s first /run/links/second
(umask 077; /run/arpflush/arpflush --keygen >/run/key)
chown 64123 /run/key
echo "RouterKeys = ['$(/run/arpflush/arpflush --public-key -k /run/key)']" >/run/arpflush.toml
rm -r /run/arpflush/cache
ip link add e0 type veth peer name e1
ip address add 192.0.2.1/24 dev e0
ip link set e0 up
ip link set e1 up
mkfifo /run/log
mount -o remount,bind,ro /run/arpflush
mount -o remount,ro /run
mount -o remount,bind,ro /
cd /
as_user() { setpriv --reuid=64123 --regid=64123 --clear-groups env -i "$@"; }
`;

/** Runs a script after `prepare`, in namespaces of its own. */
async function runIn(folder: string, script: string): Promise<CommandOutcome> {
  const isolation = await findIsolation();
  assert.ok("argv" in isolation);
  const signal = AbortSignal.timeout(60_000);
  return await outcomeOf([...isolation.argv, "sh", "-c", prepare + script, "sh", folder], {
    signal,
  });
}

/** Starts the service as a host does, and waits until it is ready. */
const serve = `env -i /run/arpflush/arpflush-service --config /run/arpflush.toml >/run/log 2>&1 &
exec 3</run/log
while read -r line <&3; do case $line in *Started*) break ;; esac; done
(cat <&3 >/dev/null) &
`;

Deno.test("pack() makes a folder that needs nothing but itself", (t) =>
  inFolder(async (folder) => {
    await pack(folder);

    await t.step("starts through links, without environment or home", async () => {
      const script =
        "as_user /run/links/second --version; as_user /run/arpflush/arpflush --version";
      const { code, stdout, stderr } = await runIn(folder, script);
      assert.equal(stderr, "");
      assert.equal(stdout, versionText("arpflush").repeat(2));
      assert.equal(code, 0);
    });

    await t.step("starts in a working directory that is gone", async () => {
      const script = `mkdir /tmp/gone$$ && cd /tmp/gone$$ && rmdir /tmp/gone$$
        /run/arpflush/arpflush --version; env -u PWD /run/arpflush/arpflush-service --version`;
      const { code, stdout } = await runIn(
        folder,
        `mount -t tmpfs tmpfs /tmp; ${script}`,
      );
      assert.equal(stdout, versionText("arpflush") + versionText("arpflush-service"));
      assert.equal(code, 0);
    });

    await t.step("flushes for one sender and answers several at once", async () => {
      const send =
        "as_user /run/links/second 192.0.2.1 -k /run/key -q --expect 1 --count 1 --wait 5";
      const one = `(${send} --probe; echo "exit $?") & senders="$senders $!"\n`;
      const script = `${serve}${send} --no-verify\n${one.repeat(4)}wait $senders\n`;
      const { code, stdout, stderr } = await runIn(folder, script);
      assert.equal(stderr, "");
      assert.equal(stdout, "exit 0\n".repeat(4));
      assert.equal(code, 0);
    });

    await t.step("says what is wrong with a key that it may not read", async () => {
      const script = "as_user /run/arpflush/arpflush -a -k /run/locked/key";
      const { code, stderr } = await runIn(folder, script);
      assert.match(stderr, /Cannot read key file "\/run\/locked\/key": /);
      assert.equal(code, 2);
    });
  }));

Deno.test("pack() makes one folder when several make it in the place of another", () =>
  inFolder(async (folder) => {
    // It takes a while to take away.
    for (let i = 0; i < 3_000; i++) Deno.mkdirSync(`${folder}/arpflush/${i}`, { recursive: true });
    await Promise.all([1, 2, 3].map(() => pack(`${folder}/arpflush`)));
    assert.deepEqual(Array.from(Deno.readDirSync(folder), ({ name }) => name), ["arpflush"]);
    assert.ok((await Deno.stat(`${folder}/arpflush/arpflush-router`)).isFile);
  }));
