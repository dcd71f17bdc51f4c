/** The sender as keepalived starts it: its system log, its environment, its file system. */
import assert from "node:assert/strict";
import { reports } from "../unit/sender/answers.ts";
import {
  runCommand,
  runSender,
  senderCommand,
  startStandInHost,
  withFolder,
} from "../unit/sender/sender_process.ts";

/** A logger at a path; gives each datagram as text. */
function listenAsLogger(path: string) {
  const socket = Deno.listenDatagram({ transport: "unixpacket", path });
  return {
    async line() {
      const [bytes] = await socket.receive();
      return new TextDecoder().decode(bytes);
    },
    [Symbol.dispose]() {
      socket.close();
      Deno.removeSync(path);
    },
  };
}

// The tier's /run is empty and its own.
const journal = "/run/systemd/journal/dev-log";
await Deno.mkdir("/run/systemd/journal", { recursive: true });

/** Options for a run of one copy that tells the system log alone. */
function quietOnce(keyFile: string, port: number): string[] {
  const end = ["-c", "1", "--no-verify", "--expect", "1", "--syslog", "-q"];
  return ["-k", keyFile, "-p", `${port}`, ...end];
}

Deno.test("send.ts --syslog logs stuck and missing hosts at level warning", () =>
  withFolder(async (folder, keyFile) => {
    using logger = listenAsLogger(journal);
    await Deno.writeTextFile(`${folder}/hosts`, "web1\ndb1\n");
    await using host = startStandInHost(() => [{ host: "web1", reports: [reports.foreign] }]);
    const args = ["-k", keyFile, "-p", `${host.port}`, "-A", "192.0.2.1", "-c", "1", "-w", "500ms"];
    const rest = ["--expect", `${folder}/hosts`, "--syslog", "127.0.0.1"];
    assert.equal((await runSender([...args, ...rest])).code, 3);
    assert.match(
      await logger.line(),
      /^<28>arpflush\[\d+\]: .*; web1 STUCK 192\.0\.2\.1 at 02:00:00:00:00:01, db1 missing; This machine does not hold 192\.0\.2\.1: .*$/,
    );
  }));

Deno.test("send.ts --syslog logs why it could not run at level error", async () => {
  using logger = listenAsLogger(journal);
  assert.equal((await runSender(["-k", "/run/none", "--syslog", "127.0.0.1"])).code, 2);
  assert.match(
    await logger.line(),
    /^<27>arpflush\[\d+\]: Cannot read key file "\/run\/none": No such file or directory$/,
  );
  assert.equal((await runSender(["--bogus", "--syslog"])).code, 2);
  assert.match(await logger.line(), /^<27>arpflush\[\d+\]: Unknown option --bogus$/);
});

Deno.test("send.ts --notify logs nothing unless the state is MASTER", async () => {
  using logger = listenAsLogger(journal);
  const notified = ["-a", "--syslog", "--notify", "INSTANCE", "VI_1", "BACKUP", "100"];
  assert.deepEqual(await runSender(notified), { code: 0, stdout: "", stderr: "" });
  assert.equal((await runSender(["--bogus", "--syslog"])).code, 2);
  assert.match(await logger.line(), /Unknown option/);
});

Deno.test("send.ts --syslog sends without a log, says that nobody took its line, and exits 4", () =>
  withFolder(async (_, keyFile) => {
    await using host = startStandInHost(() => [{}]);
    const args = quietOnce(keyFile, host.port);
    const { code, stderr } = await runSender([...args, "127.0.0.1"]);
    assert.deepEqual([code, host.received.length], [4, 1]);
    assert.equal(stderr, "arpflush: no system log took the line of --syslog\n");
  }));

/** Runs the sender with /etc replaced by a folder. */
function runWithEtc(etc: string, args: readonly string[]) {
  const script = 'mount -n --bind "$1" /etc && shift && exec "$@"';
  return runCommand(
    ["unshare", "--mount", "sh", "-c", script, "sh", etc, ...senderCommand, ...args],
  );
}

Deno.test("send.ts logs through a link in /etc/arpflush, and finds its key there", () =>
  withFolder(async (folder, keyFile) => {
    using logger = listenAsLogger("/run/logger");
    await using host = startStandInHost(() => [{}]);
    await Deno.mkdir(`${folder}/etc/arpflush`, { recursive: true });
    await Deno.rename(keyFile, `${folder}/etc/arpflush/key`);
    await Deno.symlink("/run/logger", `${folder}/etc/arpflush/log`);
    const args = ["-p", `${host.port}`, "-c", "1", "--no-verify", "--syslog", "127.0.0.1"];
    const { code, stderr } = await runWithEtc(`${folder}/etc`, args);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(await logger.line(), /^<30>arpflush\[\d+\]: Flush: /);
  }));
