/** Who sends a first datagram: the sender in its forms, and the least that others can do. */
import { generateKeyFile } from "../../lib/wire/keys.ts";
import { programs, startFlags } from "../../packaging/programs.ts";
import { CommandError, type CommandLine, run } from "../support/command.ts";
import { programLine } from "../support/programs.ts";
import { findPython, type Peers } from "./peers.ts";

/** Who is timed. */
export interface Contender {
  readonly name: string;
  readonly line: CommandLine;
  /** What the time ends with: the first datagram, or the end of a process that sends none. */
  readonly until: "datagram" | "end";
}

/** Where the datagrams go. */
export const startPort = 47_910;
const broadcast = "192.0.2.255";

const emptyProgram = "export {};\n";
const oneDatagram = `
const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
const to = { transport: "udp", hostname: "${broadcast}", port: ${startPort} } as const;
await socket.send(new Uint8Array(128), to);
`;
const pythonProgram = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.sendto(bytes(128), ("${broadcast}", ${startPort}))
`;

/** As the packed folder and the executables start it. */
const senderFlags = startFlags(programs[0], ["net"]);

/** The file that the packed folder has, or null where no bundler can be had. */
async function bundle(folder: string): Promise<string | null> {
  const [file, entry] = [
    `${folder}/arpflush.js`,
    `${import.meta.dirname}/../../send.ts`,
  ];
  try {
    const options = ["-q", "--minify", "--platform=deno", `--output=${file}`];
    await run([Deno.execPath(), "bundle", ...options, entry]);
    return file;
  } catch (error) {
    if (error instanceof CommandError) return null;
    throw error;
  }
}

/** The executable of a file, or null where its base runtime can't be had. */
async function compile(file: string, flags: readonly string[]): Promise<string | null> {
  const output = `${file}.compiled`;
  const options = ["-q", "--no-config", "--no-check", "--no-code-cache", "--no-prompt"];
  try {
    const line = [Deno.execPath(), "compile", ...options, ...flags];
    await run([...line, `--output=${output}`, file]);
    return output;
  } catch (error) {
    if (error instanceof CommandError) return null;
    throw error;
  }
}

/** netcat's way to send a file as a broadcast, or null where it isn't to be had. */
async function netcat(file: string): Promise<CommandLine | null> {
  const script = `exec nc -u -b -q 0 ${broadcast} ${startPort} < ${file}`;
  try {
    await run(["sh", "-c", "nc -h 2>&1 | grep -q OpenBSD"]);
    return ["sh", "-c", script];
  } catch (error) {
    if (error instanceof CommandError) return null;
    throw error;
  }
}

/** All of them, the empty program first; what can't be had on this machine is left out. */
export async function contenders(folder: string, peers: Peers): Promise<Contender[]> {
  const write = async (name: string, text: string) => {
    await Deno.writeTextFile(`${folder}/${name}`, text, { mode: 0o600 });
    return `${folder}/${name}`;
  };
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "--no-config"];
  const key = await write("key", generateKeyFile(new Date()));
  const args = ["-a", "-k", key, "-p", String(startPort), "-c", "1", "-w", "0", "-q"];
  const permissions = ["--allow-net", "--allow-read", "--allow-sys=hostname,networkInterfaces"];
  const empty = await write("empty.ts", emptyProgram);
  const bundled = await bundle(folder);
  const emptyCompiled = await compile(empty, []);
  const compiled = bundled === null
    ? null
    : await compile(bundled, [...senderFlags, ...permissions]);
  const python = await findPython();
  const c = peers.program("first");
  const nc = await netcat(key);
  const all: (Contender | null)[] = [
    {
      name: "empty Deno program, to its end",
      line: [...deno, empty],
      until: "end",
    },
    emptyCompiled === null ? null : {
      name: "empty Deno program, compiled, to its end",
      line: [emptyCompiled],
      until: "end",
    },
    {
      name: "Deno program of one datagram",
      line: [...deno, "--unstable-net", "--allow-net", await write("one.ts", oneDatagram)],
      until: "datagram",
    },
    python === null ? null : {
      name: "Python program of one datagram",
      line: [python, await write("one.py", pythonProgram)],
      until: "datagram",
    },
    c === null ? null : {
      name: "C client with a key",
      line: [c, broadcast, String(startPort), key],
      until: "datagram",
    },
    nc === null ? null : { name: "netcat, started by sh", line: nc, until: "datagram" },
    { name: "send.ts -a", line: programLine("sender", args), until: "datagram" },
    bundled === null ? null : {
      name: "send.ts -a, bundled",
      line: [...deno, ...senderFlags, ...permissions, bundled, ...args],
      until: "datagram",
    },
    compiled === null ? null : {
      name: "send.ts -a, compiled",
      line: [compiled, ...args],
      until: "datagram",
    },
  ];
  return all.filter((one) => one !== null);
}
