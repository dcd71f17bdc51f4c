import assert from "node:assert/strict";
import { parseKeyFile } from "../../../lib/wire/keys.ts";
import { ack, otherKey, report } from "./helpers.ts";
import { runCommand, runSender, senderCommand, withFolder } from "./sender_process.ts";
import { type Answers, startStandInHost } from "./stand_in_host.ts";

/** Short times: three copies within 0.1 s, and a wait that a busy machine keeps. */
const quick = "-c 3 -i 50ms -w 1".split(" ");
const flushed: Answers = (request) => [ack(request, "flushed", { host: "web1", entries: 3 })];

Deno.test("send.ts --help exits 0 and writes to stdout", async () => {
  const { code, stdout, stderr } = await runSender(["--help"]);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /^Usage: arpflush /);
});

Deno.test("send.ts --version exits 0 with the version", async () => {
  const { code, stdout } = await runSender(["--version"]);
  assert.equal(code, 0);
  assert.match(stdout, /^arpflush \d+\.\d+\.\d+\nAsks hosts to flush .*\n$/);
});

Deno.test("send.ts --keygen writes a key file's text, a new one each time", async () => {
  const [one, two] = await Promise.all([runSender(["--keygen"]), runSender(["--keygen"])]);
  assert.deepEqual([one.code, one.stderr], [0, ""]);
  const ids = [one, two].map(({ stdout }) => parseKeyFile(stdout).signing.idText);
  assert.notEqual(ids[0], ids[1]);
});

Deno.test("send.ts exits 2 with one line and a hint for a wrong command line", async () => {
  const { code, stdout, stderr } = await runSender(["--bogus"]);
  assert.deepEqual([code, stdout, stderr], [
    2,
    "",
    "arpflush: Unknown option --bogus\nTry --help\n",
  ]);
});

Deno.test("send.ts exits 0 when the hosts have flushed", () =>
  withFolder(async (_, keyFile) => {
    await using host = startStandInHost(flushed);
    const args = ["-k", keyFile, "-p", `${host.port}`, "--no-verify", "--expect", "1"];
    const { code, stdout, stderr } = await runSender([...args, "127.0.0.1"]);
    assert.deepEqual([code, stderr], [0, ""]);
    const [heading, row, summary] = stdout.split("\n");
    assert.match(heading, /^HOST +ADDRESS +MS +REMOVED +STATE$/);
    assert.match(row, /^web1 +127\.0\.0\.1 +\d+ +3 +flushed$/);
    assert.match(summary, /^Flush: \d cop(y|ies) to 127\.0\.0\.1; 1 host answered: 1 flushed$/);
  }));

Deno.test("send.ts sends all copies of one request without an expectation", () =>
  withFolder(async (_, keyFile) => {
    await using host = startStandInHost(flushed);
    const args = ["-k", keyFile, "-p", `${host.port}`, "--no-verify", ...quick, "127.0.0.1"];
    assert.equal((await runSender(args)).code, 0);
    assert.equal(host.received.length, 3);
    const [first, ...copies] = host.received.map(({ bytes }) => bytes.toHex());
    assert.deepEqual(copies, [first, first]);
    const { action, acknowledge, report, sender, addresses } = host.received[0].request;
    assert.deepEqual([action, acknowledge, report, addresses], ["flush all", true, false, []]);
    assert.equal(sender, Deno.hostname());
  }));

Deno.test("send.ts exits 3 when a host is stuck, and names it", () =>
  withFolder(async (_, keyFile) => {
    const reports = [report("neighbor", "02:00:00:00:00:01")];
    await using host = startStandInHost((request) => [ack(request, "flushed", { reports })]);
    const args = ["-k", keyFile, "-p", `${host.port}`, "-A", "192.0.2.1", "--expect", "1"];
    const { code, stdout, stderr } = await runSender([...args, "127.0.0.1"]);
    assert.equal(code, 3);
    assert.match(stdout, / STUCK 192\.0\.2\.1 at 02:00:00:00:00:01\n/);
    assert.equal(
      stderr,
      "arpflush: This machine does not hold 192.0.2.1: any link-layer address reported for it " +
        "counts as STUCK\n",
    );
    assert.equal(host.received[0].request.report, true);
  }));

Deno.test("send.ts exits 3 when a flush failed", () =>
  withFolder(async (_, keyFile) => {
    await using host = startStandInHost((request) => [ack(request, "failed", { error: 110 })]);
    const args = ["-k", keyFile, "-p", `${host.port}`, "--no-verify", ...quick];
    const { code, stdout } = await runSender([...args, "127.0.0.1"]);
    assert.equal(code, 3);
    assert.match(stdout, / FAILED, error 110\n/);
  }));

Deno.test("send.ts exits 3 and names the missing of a file of expected hosts", () =>
  withFolder(async (folder, keyFile) => {
    await using host = startStandInHost(flushed);
    await Deno.writeTextFile(`${folder}/hosts`, "# all\nWEB1.example.org\nDB1\n");
    const args = ["-k", keyFile, "-p", `${host.port}`, "--no-verify", ...quick];
    const { code, stdout } = await runSender([...args, "--expect", `${folder}/hosts`, "127.0.0.1"]);
    assert.equal(code, 3);
    assert.match(stdout, /\nDB1 +missing\n/);
    assert.match(stdout, /1 host answered: 1 flushed, 1 missing; DB1 missing\n$/);
  }));

Deno.test("send.ts exits 3 when nobody answers", () =>
  withFolder(async (_, keyFile) => {
    const args = ["-k", keyFile, "-p", "9", "-c", "1", "-w", "0", "--no-verify", "127.0.0.1"];
    const { code, stdout } = await runSender(args);
    assert.deepEqual([code, stdout], [
      3,
      "Flush: 1 copy to 127.0.0.1; 0 hosts answered: 1 missing\n",
    ]);
  }));

Deno.test("send.ts exits 1 when nothing could be sent, and says why", () =>
  withFolder(async (_, keyFile) => {
    const args = ["-k", keyFile, "-c", "2", "-i", "1ms", "--no-verify", "fe80::1%no-such"];
    const { code, stdout, stderr } = await runSender(args);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /^arpflush: Flush not sent; cannot send to fe80::1%no-such: \w.*\n$/);
    assert.equal((await runSender([...args, "-q"])).stderr, stderr);
  }));

Deno.test("send.ts goes on when one of several hosts can't be sent to, and exits 3", () =>
  withFolder(async (_, keyFile) => {
    await using host = startStandInHost(flushed);
    const args = ["-k", keyFile, "-p", `${host.port}`, "--no-verify", "--expect", "1"];
    const { code, stdout } = await runSender([...args, "fe80::1%no-such", "127.0.0.1"]);
    assert.equal(code, 3);
    assert.match(stdout, /; cannot send to fe80::1%no-such: \w/);
    assert.match(stdout, / flushed\n/);
  }));

for (
  const [what, content, mode, message] of [
    ["missing", null, 0o600, /^Cannot read key file ".*\/key2": No such file or directory$/],
    ["open to others", "x", 0o644, /": refused, others can read it \(mode 0644\); run chmod 600 /],
    ["wrong", "# key\nsecret\n", 0o600, /^Cannot read key file ".*": line 2 is not a key/],
    ["empty", "", 0o600, /": it holds no key$/],
  ] as const
) {
  Deno.test(`send.ts exits 2 when the key file is ${what}, with one line that shows none of it`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/key2`;
      if (content !== null) await Deno.writeTextFile(path, content, { mode });
      const { code, stdout, stderr } = await runSender(["-k", path, "127.0.0.1"]);
      assert.deepEqual([code, stdout], [2, ""]);
      const [line, ...rest] = stderr.split("\n");
      assert.deepEqual(rest, [""]);
      assert.match(line.replace(/^arpflush: /, ""), message);
      assert.ok(!line.includes("secret"));
    }));
}

Deno.test("send.ts exits 2 when the expected hosts can't be read", () =>
  withFolder(async (folder, keyFile) => {
    const run = (path: string) => runSender(["-k", keyFile, "--expect", path, "127.0.0.1"]);
    const missing = await run(`${folder}/hosts`);
    assert.deepEqual([missing.code, missing.stderr], [
      2,
      `arpflush: Cannot read expected hosts from "${folder}/hosts": No such file or directory\n`,
    ]);
    await Deno.writeTextFile(`${folder}/hosts`, "a b\n");
    assert.match((await run(`${folder}/hosts`)).stderr, /": line 1 is not a host name: "a b"\n$/);
  }));

Deno.test("send.ts exits 2 for an interface that doesn't exist", () =>
  withFolder(async (_, keyFile) => {
    const { code, stderr } = await runSender(["-k", keyFile, "-a", "--interface", "no-such"]);
    assert.equal(code, 2);
    assert.match(stderr, /^arpflush: No interface "no-such" with an address; those with .*\n$/);
  }));

Deno.test("send.ts --probe asks without flushing and shows clocks", () =>
  withFolder(async (_, keyFile) => {
    await using host = startStandInHost((request) => [
      ack(request, "alive", { host: "web1", entries: 42, clock: Date.now() - 5000 }),
    ]);
    const args = ["-k", keyFile, "-p", `${host.port}`, "--probe", "--expect", "1", "127.0.0.1"];
    const { code, stdout } = await runSender(["--no-verify", ...args]);
    assert.equal(code, 0);
    assert.match(
      stdout,
      /ENTRIES +CLOCK +STATE\nweb1 +127\.0\.0\.1 +\d+ +42 +[45]\.\d s behind +alive\n/,
    );
    assert.equal(host.received[0].request.action, "probe");
  }));

Deno.test("send.ts --only lists the addresses to flush", () =>
  withFolder(async (_, keyFile) => {
    await using host = startStandInHost((request) => [
      ack(request, "flushed", { reports: request.addresses.map(() => report("not looked at")) }),
    ]);
    const args = ["-k", keyFile, "-p", `${host.port}`, "--only", "--expect", "1", "127.0.0.1"];
    const { code } = await runSender([...args, "-A", "192.0.2.0/24", "-A", "2001:db8::1"]);
    assert.equal(code, 0);
    const { action, addresses } = host.received[0].request;
    assert.equal(action, "flush listed");
    assert.deepEqual(addresses.map(({ family, length }) => [family, length]), [[4, 24], [6, 128]]);
  }));

Deno.test("send.ts --json writes one document and nothing else to stdout", () =>
  withFolder(async (_, keyFile) => {
    await using host = startStandInHost(flushed);
    const args = ["-k", keyFile, "-p", `${host.port}`, "--no-verify", "--expect", "1", "--json"];
    const { code, stdout, stderr } = await runSender([...args, "127.0.0.1"]);
    assert.deepEqual([code, stderr], [0, ""]);
    const document = JSON.parse(stdout);
    assert.equal(document.version, 1);
    assert.equal(document.exitCode, 0);
    assert.equal(document.requestId, host.received[0].request.id.toHex());
    assert.equal(document.hosts[0].host, "web1");
  }));

Deno.test("send.ts -v tells each step, and counts what it ignores", () =>
  withFolder(async (_, keyFile) => {
    await using forger = startStandInHost(flushed, { signer: otherKey });
    const args = ["-k", keyFile, "-p", `${forger.port}`, "--no-verify", ...quick, "-v"];
    const { code, stderr } = await runSender([...args, "127.0.0.1"]);
    assert.equal(code, 3);
    assert.match(stderr, /^arpflush: Key [0-9a-f]{8}, to 127\.0\.0\.1\narpflush: Copy 1 sent\n/);
    assert.match(stderr, /arpflush: Ignored a datagram from 127\.0\.0\.1: key\n/);
    assert.match(stderr, /arpflush: 3 datagrams ignored: key\n$/);
  }));

Deno.test("send.ts -q is silent whatever happens on the wire", () =>
  withFolder(async (_, keyFile) => {
    const args = ["-k", keyFile, "-p", "9", "-c", "1", "-w", "0", "-q", "127.0.0.1"];
    assert.deepEqual(await runSender(args), { code: 3, stdout: "", stderr: "" });
  }));

Deno.test("send.ts repeats a stale request by the host's clock and reports the offset", () =>
  withFolder(async (_, keyFile) => {
    const offset = -600_000;
    await using host = startStandInHost((request) => {
      const clock = Date.now() + offset;
      const isStale = Math.abs(request.created - clock) > 60_000;
      return [ack(request, isStale ? "stale" : "flushed", { clock, host: "web1" })];
    });
    const args = ["-k", keyFile, "-p", `${host.port}`, "--no-verify", "--expect", "1", "--json"];
    const { code, stdout } = await runSender([...args, "127.0.0.1"]);
    assert.equal(code, 0);
    const [{ repaired, clockOffsetMs, state }] = JSON.parse(stdout).hosts;
    assert.deepEqual([repaired, state], [true, "flushed"]);
    assert.ok(Math.abs(clockOffsetMs - offset) < 5000, `${clockOffsetMs}`);
    const created = host.received.map(({ request }) => request.created);
    assert.equal(created.length, 2);
    assert.ok(Math.abs(created[1] - created[0] - offset) < 5000);
  }));

/** A socket that only listens, for datagrams that are no requests. */
function listen() {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  if (socket.addr.transport !== "udp") throw new Error("Not a UDP socket");
  return { socket, port: `${socket.addr.port}` };
}

Deno.test("send.ts -P sends the 2009 client's five datagrams, and warns", async () => {
  const { socket, port } = listen();
  try {
    const ended = runSender(["-P", "TopSecret!", "-p", port, "-i", "20ms", "127.0.0.1"]);
    for (let copy = 0; copy < 5; copy++) {
      const [bytes] = await socket.receive();
      assert.equal(new TextDecoder().decode(bytes), "TopSecret!");
    }
    assert.deepEqual(await ended, {
      code: 0,
      stdout: "Password: 5 copies to 127.0.0.1\n",
      stderr: "arpflush: Anyone on the wire can read this password and repeat it\n" +
        "arpflush: Anyone on this machine can read it among the arguments: use --password-file\n",
    });
  } finally {
    socket.close();
  }
});

Deno.test("send.ts --password-file sends the file's one line, and needs no key file", () =>
  withFolder(async (folder) => {
    const { socket, port } = listen();
    try {
      await Deno.writeTextFile(`${folder}/password`, "pass wörd \r\n", { mode: 0o600 });
      const args = ["--password-file", `${folder}/password`, "-p", port, "-c", "1", "-q"];
      const { code, stderr } = await runSender([...args, "127.0.0.1"]);
      assert.deepEqual([code, stderr], [0, ""]);
      const [bytes] = await socket.receive();
      assert.equal(new TextDecoder().decode(bytes), "pass wörd ");
    } finally {
      socket.close();
    }
  }));

for (
  const [what, content, mode, reason] of [
    ["open to others", "x", 0o644, /refused, others can read it/],
    ["empty", "\n", 0o600, /it is empty$/],
    ["of several lines", "hidden\nb\n", 0o600, /it has several lines$/],
  ] as const
) {
  Deno.test(`send.ts exits 2 when the password file is ${what}`, () =>
    withFolder(async (folder) => {
      await Deno.writeTextFile(`${folder}/password`, content, { mode });
      const args = ["--password-file", `${folder}/password`, "127.0.0.1"];
      const { code, stderr } = await runSender(args);
      assert.equal(code, 2);
      assert.match(stderr.trimEnd(), reason);
      assert.ok(!stderr.includes("hidden"));
    }));
}

Deno.test("send.ts --notify exits 0 at once and silently unless the state is MASTER", async () => {
  const args = ["--notify", "127.0.0.1", "INSTANCE", "VI 1"];
  assert.deepEqual(await runSender([...args, "BACKUP", "100"]), {
    code: 0,
    stdout: "",
    stderr: "",
  });
  assert.equal(
    (await runSender(["-v", ...args, "FAULT", "100"])).stderr,
    "arpflush: INSTANCE VI 1 is FAULT: nothing to do\n",
  );
});

Deno.test("send.ts --notify sends when the state is MASTER", () =>
  withFolder(async (_, keyFile) => {
    await using host = startStandInHost(flushed);
    const args = ["-k", keyFile, "-p", `${host.port}`, "--no-verify", "--expect", "1", "--notify"];
    const { code } = await runSender([...args, "127.0.0.1", "INSTANCE", "VI_1", "MASTER", "100"]);
    assert.equal(code, 0);
    assert.equal(host.received.length, 1);
  }));

const hasShell = Deno.build.os !== "windows";
const quoted = (argv: readonly string[]) => argv.map((word) => `'${word}'`).join(" ");

for (const redirection of [">&- 2>&-", "> /dev/full 2> /dev/full", "2>&1 | true"]) {
  Deno.test({
    name: `send.ts sends all copies with output that goes nowhere (${redirection})`,
    ignore: !hasShell,
    fn: () =>
      withFolder(async (folder, keyFile) => {
        await using host = startStandInHost(flushed);
        const args = ["-k", keyFile, "-p", `${host.port}`, "--no-verify", ...quick, "-v"];
        const line = quoted([...senderCommand, ...args, "127.0.0.1"]);
        const script = `(${line}; echo $? > '${folder}/code') ${redirection}`;
        const { stdout } = await runCommand(["sh", "-c", script]);
        assert.equal(stdout, "");
        assert.equal(await Deno.readTextFile(`${folder}/code`), "0\n");
        assert.equal(host.received.length, 3);
      }),
  });
}

Deno.test("send.ts runs several at once, each with its own acks", () =>
  withFolder(async (_, keyFile) => {
    await using host = startStandInHost(flushed);
    const args = [
      "-k",
      keyFile,
      "-p",
      `${host.port}`,
      "--no-verify",
      ...quick,
      "--json",
      "127.0.0.1",
    ];
    const ended = await Promise.all([1, 2, 3].map(() => runSender(args)));
    const documents = ended.map(({ stdout }) => JSON.parse(stdout));
    assert.deepEqual(ended.map(({ code }) => code), [0, 0, 0]);
    assert.equal(new Set(documents.map(({ requestId }) => requestId)).size, 3);
    for (const { ignored } of documents) assert.deepEqual(ignored, {});
  }));
