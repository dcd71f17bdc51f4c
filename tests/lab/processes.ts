/** Programs of the lab that go on until its end, and what they say. */
import type { CommandLine } from "../support/command.ts";

/** Told each line of a program, from stdout and stderr alike. */
export type OnLine = (line: string) => void;

/** All that a program of the lab has in its environment. */
const environment = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };

/**
 * Starts a program that ends with the lab's process namespace; if it ends earlier, `onLine` is told.
 */
export function start([program, ...args]: CommandLine, onLine: OnLine): void {
  const streams = { stdin: "null", stdout: "piped", stderr: "piped" } as const;
  const child = new Deno.Command(program, { args, clearEnv: true, env: environment, ...streams })
    .spawn();
  const reading = [eachLine(child.stdout, onLine), eachLine(child.stderr, onLine)];
  Promise.all(reading).then(() => child.status).then(({ code }) => {
    onLine(`"${[program, ...args].join(" ")}" ended with code ${code}`);
  });
}

async function eachLine(stream: ReadableStream<Uint8Array>, onLine: OnLine): Promise<void> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(onLine);
  }
  if (rest !== "") onLine(rest);
}
