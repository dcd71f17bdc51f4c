/** The sender as a process, with its own permissions, against a stand-in host on loopback. */
import assert from "node:assert/strict";
import config from "../../../deno.json" with { type: "json" };
import { parseExpectedHosts } from "../../../lib/sender/expectation.ts";
import { permissionFlags } from "../../../packaging/programs.ts";
import type { CommandOutcome } from "../../support/command.ts";
import { createRouter } from "../../support/datagrams.ts";
import { assertMatches } from "../../support/schemas.ts";
import { samplesOf } from "../metrics/samples.ts";
import {
  type Answers,
  type ReceivedRequest,
  runCommand,
  runSender,
  senderCommand,
  startStandInHost,
  withFolder,
} from "./sender_process.ts";

/** Short times: three copies within 0.1 s, and a wait that a busy machine keeps. */
const quick = "-c 3 -i 50ms -w 500ms".split(" ");
const flushed: Answers = () => [{ host: "web1", entries: 3 }];

/** What starts the sender against a host that answers so, with these arguments. */
type Start = (line: readonly string[], folder: string) => Promise<CommandOutcome>;

/** Runs the sender against one host. */
async function send(
  args: readonly string[],
  answers: Answers = flushed,
  options: Parameters<typeof startStandInHost>[1] = {},
  start: Start = (line) => runSender(line),
): Promise<CommandOutcome & { readonly received: readonly ReceivedRequest[] }> {
  const results: (CommandOutcome & { readonly received: readonly ReceivedRequest[] })[] = [];
  await withFolder(async (folder, keyFile) => {
    await using host = startStandInHost(answers, options);
    const line = ["-k", keyFile, "-p", `${host.port}`, ...args, "127.0.0.1"];
    results.push({ ...await start(line, folder), received: host.received });
  });
  return results[0];
}

Deno.test("send.ts --help and --version write to stdout and exit 0", async () => {
  const [help, version] = await Promise.all([runSender(["--help"]), runSender(["--version"])]);
  assert.deepEqual([help.code, help.stderr], [0, ""]);
  assert.match(help.stdout, /^Usage: arpflush /);
  assert.equal(version.code, 0);
  assert.match(version.stdout, /^arpflush \d+\.\d+\.\d+\nAsks hosts to flush .*\n$/);
});

Deno.test("send.ts --keygen writes a new key each time, whose comment names what --public-key prints", () =>
  withFolder(async (folder) => {
    const [{ stdout }, other] = await Promise.all([1, 2].map(() => runSender(["--keygen"])));
    assert.notEqual(stdout, other.stdout);
    await Deno.writeTextFile(`${folder}/new`, stdout, { mode: 0o600 });
    const shown = await runSender(["--public-key", "-k", `${folder}/new`]);
    assert.deepEqual([shown.code, shown.stderr], [0, ""]);
    assert.match(shown.stdout, /^arpflush-public-[\w-]{43}\n$/);
    assert.ok(stdout.includes(`public key: ${shown.stdout}`));
  }));

Deno.test("send.ts --probe --pins prints lines that pin the hosts that answered", async () => {
  const alive: Answers = () => [{ status: "alive", host: "web1" }];
  const { code, stdout } = await send(["--probe", "--pins", "--no-verify", ...quick], alive);
  assert.equal(code, 0);
  const [host] = parseExpectedHosts(stdout);
  assert.deepEqual([host.label, host.pins.length], ["web1", 1]);
});

/** The sender with its own permissions, and that of writing in a folder. */
const startWriting: Start = async (line, folder) => {
  const [deno, run, quiet] = senderCommand;
  const flags = permissionFlags({ ...config.permissions.sender, write: [folder] });
  const entry = senderCommand.slice(senderCommand.indexOf("--config"));
  return await runCommand([deno, run, quiet, "--no-prompt", ...flags, ...entry, ...line]);
};

Deno.test("send.ts keeps its runs with --history and --metrics, and history shows them", async () => {
  const args = ["--no-verify", "--expect", "2", ...quick, "--json"];
  const kept = { history: "", metrics: "", table: "", json: "" };
  const { code, stdout, stderr } = await send(args, flushed, {}, async (line, folder) => {
    const [history, metrics] = [`${folder}/h.jsonl`, `${folder}/m.prom`];
    const files = ["--history", history, "--metrics", metrics];
    await startWriting([...files, "-k", "/none", "127.0.0.1"], folder);
    const ended = await startWriting([...files, ...line], folder);
    kept.history = await Deno.readTextFile(history);
    kept.metrics = await Deno.readTextFile(metrics);
    kept.table = (await runSender(["history", history])).stdout;
    kept.json = (await runSender(["history", "--json", history])).stdout;
    return ended;
  });
  assert.deepEqual([code, stderr], [3, ""]);
  await assertMatches("arpflush-run", stdout);
  await assertMatches("arpflush-history", kept.json);
  const samples = samplesOf(kept.metrics);
  assert.equal(samples.get('arpflush_run_exit_code{run="failover"}'), 3);
  assert.equal(samples.get('arpflush_run_hosts{run="failover",verdict="flushed"}'), 1);
  const { version, unreadable, runs } = JSON.parse(kept.json);
  assert.deepEqual([version, unreadable], [1, 0]);
  assert.deepEqual(runs, kept.history.trimEnd().split("\n").map((line) => JSON.parse(line)));
  assert.match(
    kept.table,
    /^TIME .*\n.* failover +2 +0\.0 {2}Cannot read key file .*\n.* failover +3 .* {2}1 flushed, 1 missing\n$/,
  );
});

Deno.test("send.ts sends although its files can't be written, says so and exits 4", async () => {
  const { code, stderr, received } = await send(
    ["--no-verify", ...quick, "--expect", "1"],
    flushed,
    {},
    (line, folder) =>
      runSender(["--history", `${folder}/h`, "--metrics", "/run/arpflush/none/m", ...line]),
  );
  assert.deepEqual([code, received.length], [4, 3]);
  assert.match(
    stderr,
    /^arpflush: cannot write history ".*\/h": it is in none of the folders that this program may write in\n/,
  );
  assert.match(
    stderr,
    /\narpflush: cannot write metrics "\/run\/arpflush\/none\/m": No such file or directory\n$/,
  );
});

/** A run of 2026 in a line of history. */
const kept = (host: string) =>
  JSON.stringify({
    version: 1,
    at: "2026-01-02T03:04:05.006Z",
    run: "drill",
    interfaces: [],
    exitCode: 3,
    durationMs: 1_500,
    hosts: { stuck: 1 },
    wrong: [{ host, verdict: "stuck", text: "STUCK" }],
    summary: "Probe",
  });

Deno.test("send.ts history shows what was rotated first, and says what it can't read", async () => {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/h`, `${kept("new")}\n{"ver`);
    await Deno.writeTextFile(`${folder}/h.1`, `${kept("old")}\n`);
    const { code, stdout, stderr } = await runSender(["history", `${folder}/h`]);
    assert.equal(code, 0);
    assert.match(stdout, /^TIME.*\n.*: old STUCK\n.*: new STUCK\n$/);
    assert.equal(stderr, `arpflush: 1 line of "${folder}/h" could not be read\n`);
    if (!hasScript) return;
    const red = "\x1b[31m2026-01-0";
    assert.ok((await onTerminal(["history", `${folder}/h`])).stdout.includes(red));
    const plain = await onTerminal(["history", `${folder}/h`], { NO_COLOR: "1" });
    assert.ok(!plain.stdout.includes("\x1b"));
  });
});

const useless: [line: string, said: string][] = [
  ["--bogus", "Unknown option --bogus\nTry --help"],
  [
    "-k /nonexistent/key 127.0.0.1",
    'Cannot read key file "/nonexistent/key": No such file or directory',
  ],
  ["history /nonexistent/h", 'Cannot read history "/nonexistent/h": No such file'],
];
for (const [line, said] of useless) {
  Deno.test(`send.ts ${line} exits 2 and says why in one line`, async () => {
    const ended = await runSender(line.split(" "));
    assert.deepEqual(ended, { code: 2, stdout: "", stderr: `arpflush: ${said}\n` });
  });
}

Deno.test("send.ts without permissions exits 2 with one line that says how to run it", async () => {
  const [deno, , ...rest] = senderCommand;
  const bare = rest.filter((word) => !word.startsWith("-P"));
  const { code, stdout, stderr } = await runCommand([deno, "run", ...bare, "-a"]);
  assert.deepEqual([code, stdout], [2, ""]);
  assert.match(
    stderr,
    /^arpflush: Requires \w+ access to "\w+": run it as deno run -P=sender(-windows)? send\.ts …\n$/,
  );
});

Deno.test("send.ts exits 0 when the hosts have flushed", async () => {
  const { code, stdout, stderr, received } = await send(
    ["--no-verify", "--expect", "1", ...quick],
  );
  assert.deepEqual([code, stderr, received.length], [0, "", 3]);
  assert.equal(received[0].request.sender, Deno.hostname());
  const [heading, row, summary] = stdout.split("\n");
  assert.match(heading, /^HOST +ADDRESS +MS +REMOVED +STATE$/);
  assert.match(row, /^web1 +127\.0\.0\.1 +\d+ +3 +flushed$/);
  assert.match(summary, /^Flush: \d cop(y|ies) to 127\.0\.0\.1; 1 host answered: 1 flushed$/);
});

Deno.test("send.ts exits 1 when nothing could be sent, and says why even with -q", () =>
  withFolder(async (_, keyFile) => {
    const args = ["-k", keyFile, "-c", "2", "-i", "1ms", "--no-verify", "fe80::1%no-such"];
    const [loud, quiet] = await Promise.all([runSender(args), runSender([...args, "-q"])]);
    assert.deepEqual([loud.code, loud.stdout], [1, ""]);
    assert.match(loud.stderr, /^arpflush: Flush not sent; cannot send to fe80::1%no-such: \w.*\n$/);
    assert.equal(quiet.stderr, loud.stderr);
  }));

Deno.test("send.ts -v tells each step, and counts what it ignores", async () => {
  const { code, stderr } = await send(["--no-verify", ...quick, "-v"], flushed, {
    router: createRouter(2),
  });
  assert.equal(code, 3);
  assert.match(stderr, /^arpflush: Key [0-9a-f]{8}, to 127\.0\.0\.1\narpflush: Copy 1 sent\n/);
  assert.match(stderr, /arpflush: Ignored a datagram from 127\.0\.0\.1: key\n/);
  assert.match(stderr, /arpflush: 3 datagrams ignored: key\n$/);
});

Deno.test("send.ts -q is silent when nobody answers, and exits 3", async () => {
  const args = ["-c", "1", "-w", "0", "-q", "--no-verify"];
  const { code, stdout, stderr } = await send(args, () => []);
  assert.deepEqual([code, stdout, stderr], [3, "", ""]);
});

Deno.test({
  name: "send.ts reports at SIGINT or SIGTERM what was heard, and exits 4",
  ignore: Deno.build.os === "windows",
  async fn() {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      const children: Deno.ChildProcess[] = [];
      const answers: Answers = (request, n) => {
        if (n === 2) children[0].kill(signal);
        return flushed(request, n);
      };
      const args = ["--no-verify", "-i", "300ms", "-w", "60s", "--expect", "2"];
      const { code, stdout, stderr } = await send(args, answers, {}, async (line) => {
        const [program, ...rest] = [...senderCommand, ...line];
        const streams = { stdout: "piped", stderr: "piped" } as const;
        children.push(new Deno.Command(program, { args: rest, ...streams }).spawn());
        const { code, stdout, stderr } = await children[0].output();
        const decoder = new TextDecoder();
        return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
      });
      assert.deepEqual([code, stderr], [4, ""]);
      assert.match(stdout, /^web1 .* flushed$/m);
      // The second copy's ack may be on its way through the check.
      assert.match(
        stdout,
        /: 1 flushed; ended early: interrupted; not heard until then: 1 host(; 1 ack .*)?\n$/,
      );
    }
  },
});

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

Deno.test({
  name: "send.ts sends all copies with output that goes nowhere",
  ignore: Deno.build.os === "windows",
  async fn() {
    const runs = [
      [">&- 2>&-", "-v", 0],
      ["> /dev/full 2> /dev/full", "-v", 0],
      ["2>&1 | true", "-v", 0],
      // Who asked for a document is told that there is none.
      ["> /dev/full", "--json", 4],
    ] as const;
    await Promise.all(runs.map(async ([redirection, option, code]) => {
      const codes: string[] = [];
      const { stdout, received } = await send(
        ["--no-verify", ...quick, option],
        flushed,
        {},
        async (line, folder) => {
          const quoted = [...senderCommand, ...line].map((word) => `'${word}'`).join(" ");
          const script = `(${quoted}; echo $? > '${folder}/code') ${redirection}`;
          const ended = await runCommand(["sh", "-c", script]);
          codes.push(await Deno.readTextFile(`${folder}/code`));
          return ended;
        },
      );
      assert.deepEqual([stdout, codes, received.length], ["", [`${code}\n`], 3], redirection);
    }));
  },
});

Deno.test("send.ts runs several at once, each with its own acks", async () => {
  await withFolder(async (_, keyFile) => {
    await using host = startStandInHost(flushed);
    const args = ["-k", keyFile, "-p", `${host.port}`, "--no-verify", ...quick, "--json"];
    const ended = await Promise.all([1, 2, 3].map(() => runSender([...args, "127.0.0.1"])));
    const documents = ended.map(({ stdout }) => JSON.parse(stdout));
    assert.deepEqual(ended.map(({ code }) => code), [0, 0, 0]);
    assert.equal(new Set(documents.map(({ requests }) => requests[0].id)).size, 3);
    for (const { uncounted } of documents) assert.deepEqual(uncounted, {});
  });
});

/** Whether util-linux's `script`, which lends a terminal, is here. */
const hasScript = await runCommand(["script", "--version"])
  .then(({ stdout }) => stdout.includes("util-linux"), () => false);

/** What a run on a terminal of this kind shows; the exit code is the run's. */
async function onTerminal(args: readonly string[], env: Record<string, string> = {}) {
  const line = [...senderCommand, ...args].map((word) => `'${word}'`).join(" ");
  return await runCommand(["script", "-qec", line, "/dev/null"], {
    env: { TERM: "xterm", NO_COLOR: "", ...env },
  });
}

const up = "\x1b[1A\x1b[J";
const green = "\x1b[32m";

Deno.test({
  name: "send.ts draws a live table on a terminal, in color, and the whole one at the end",
  ignore: !hasScript,
  async fn() {
    const answers: Answers = (request, n) => n < 3 ? [] : flushed(request, n);
    const args = ["--no-verify", "-c", "3", "-i", "200ms", "-w", "300ms"];
    const { code, stdout } = await send(args, answers, {}, (line) => onTerminal(line));
    assert.equal(code, 0);
    assert.match(stdout, /^Flush: 1 copy to 127\.0\.0\.1; 0 hosts answered: 1 missing/);
    assert.ok(stdout.includes(`${up}Flush: 2 copies`), JSON.stringify(stdout));
    assert.ok(stdout.includes(`${green}web1  127.0.0.1 `));
    assert.match(stdout, /Flush: 3 copies to 127\.0\.0\.1; 1 host answered: 1 flushed\r\n$/);
  },
});

for (
  const [what, env, isLive] of [
    ["NO_COLOR=1 without colors, but live", { NO_COLOR: "1" }, true],
    ["TERM=dumb once, at the end", { TERM: "dumb", NO_COLOR: "1" }, false],
  ] as const
) {
  Deno.test({
    name: `send.ts writes its table under ${what}`,
    ignore: !hasScript,
    async fn() {
      const args = ["--no-verify", "-c", "2", "-i", "200ms", "-w", "100ms"];
      const { stdout } = await send(args, flushed, {}, (line) => onTerminal(line, env));
      assert.ok(!stdout.includes(green));
      assert.equal(stdout.includes("\x1b["), isLive, JSON.stringify(stdout));
      assert.match(stdout, /^web1 +127\.0\.0\.1 +\d+ +3 +flushed\r$/m);
    },
  });
}

Deno.test({
  name: "send.ts --json writes its document alone, even on a terminal",
  ignore: !hasScript,
  async fn() {
    const args = ["--no-verify", "-c", "1", "-w", "0", "--json"];
    const { code, stdout } = await send(args, () => [], {}, (line) => onTerminal(line));
    assert.equal(code, 3);
    assert.equal(JSON.parse(stdout).exitCode, 3);
  },
});

Deno.test({
  name: "send.ts --keygen on a terminal says where to put the key",
  ignore: !hasScript,
  async fn() {
    const { stdout } = await onTerminal(["--keygen"]);
    assert.match(stdout, /arpflush: umask 077; arpflush --keygen > \/etc\/arpflush\/key\r\n/);
  },
});
