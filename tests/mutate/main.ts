/**
 * `deno task mutate [FILE[:LINE[-LINE]]…]`: Stryker changes the modules that decide what is accepted, one
 * condition, boundary or result at a time, and runs the tests on each mutant. Every mutant must be caught
 * but those that survivors.json lists with the reason why they do what the original does; they must
 * survive. Exit code: 0 so it is, 1 not, 2 wrong arguments.
 */
import { messageOf } from "../../lib/errors.ts";
import { inFolder, run } from "../support/command.ts";

const stryker = "@stryker-mutator/core@9.6.1";

const ofWire = ["tests/unit/wire", "tests/unit/receiver/accept_test.ts"];
const ofReceiver = ["tests/unit/receiver", "tests/unit/protocol_model_test.ts"];
const senderTests = "exchange expectation follow_ups hosts verdict outcome summary table";
const ofSender = senderTests.split(" ").map((name) => `tests/unit/sender/${name}_test.ts`);
const ofService = [...ofReceiver, "tests/unit/service/running_service_test.ts"];
/** The receive path, the replay window, the gate, and the check of acks: with the tests that must notice. */
const subjects: Readonly<Record<string, readonly string[]>> = {
  "lib/wire/request.ts": ofWire,
  "lib/wire/ack.ts": ofWire,
  "lib/wire/keys.ts": ofWire,
  "lib/wire/datagram.ts": ofWire,
  "lib/wire/addresses.ts": ofWire,
  "lib/receiver/accept.ts": ofReceiver,
  "lib/receiver/sources.ts": ofReceiver,
  "lib/receiver/replay_window.ts": ofReceiver,
  "lib/receiver/flusher.ts": ofReceiver,
  "lib/receiver/limited_reports.ts": ofReceiver,
  "lib/receiver/receiver.ts": ofService,
  "lib/receiver/answers.ts": ofService,
  "lib/receiver/resolutions.ts": ofReceiver,
  "lib/sender/exchange.ts": ofSender,
  "lib/sender/expectation.ts": ofSender,
  "lib/sender/follow_ups.ts": ofSender,
  "lib/sender/hosts.ts": ofSender,
  "lib/sender/verdict.ts": ofSender,
  "lib/sender/summary.ts": ofSender,
  "lib/ask/inquiry.ts": ["inquiry", "asker", "forged"].map((one) =>
    `tests/unit/ask/${one}_test.ts`
  ),
  "lib/sender/run_files.ts": ["tests/unit/sender/run_files_test.ts"],
};

/** Of Stryker's report, what is read of it. Columns and lines count from 1. */
interface Report {
  readonly files: Readonly<Record<string, { readonly source: string; readonly mutants: Tried[] }>>;
}
interface Tried {
  readonly replacement: string;
  readonly status: "Killed" | "Survived" | "Timeout" | "Ignored" | "RuntimeError" | "NoCoverage";
  readonly location: Record<"start" | "end", { readonly line: number; readonly column: number }>;
}

/** Runs Stryker on a module, or some lines of it; the sandboxes with the mutants are outside the checkout. */
function tryMutants(path: string, lines: string): Promise<Report> {
  return inFolder(async (folder) => {
    const [room, name] = path.split("/").slice(1);
    const nearest = `tests/unit/${room}/${name.replace(".ts", "_test.ts")}`;
    const isThere = await Deno.stat(nearest).then(() => true, () => false);
    // A mutant that allocates without an end is caught before the machine has no memory left.
    const options =
      "-q --no-prompt --no-check --fail-fast -P=tests --v8-flags=--max-old-space-size=512";
    const test = (...files: readonly string[]) =>
      `${Deno.execPath()} test ${options} ${files.join(" ")}`;
    const command = [...isThere ? [test(nearest)] : [], test(...subjects[path])].join(" && ");
    const config = {
      mutate: [`${path}${lines}`],
      testRunner: "command",
      commandRunner: { command },
      coverageAnalysis: "off",
      concurrency: 2,
      timeoutMS: 60_000,
      tempDirName: folder,
      ignorePatterns: ["**", "!lib/**", "!tests/unit/**", "!tests/support/**", "!deno.*"],
      reporters: ["json"],
      jsonReporter: { fileName: `${folder}/report.json` },
      plugins: [],
      mutator: {
        // Texts, tables and what only matters when it is missing are not what decides.
        excludedMutations: [
          ...["StringLiteral", "ObjectLiteral", "ArrayDeclaration", "Regex"],
          "OptionalChaining",
        ],
      },
    };
    await Deno.writeTextFile(`${folder}/stryker.json`, JSON.stringify(config));
    await run(["npx", "-y", stryker, "run", `${folder}/stryker.json`], {
      env: { DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
    });
    return JSON.parse(await Deno.readTextFile(`${folder}/report.json`));
  });
}

/** A mutant by what it changes, wherever in its module that is: `old → new`. */
function changeOf(source: string, { replacement, location: { start, end } }: Tried): string {
  const lines = source.split("\n").slice(start.line - 1, end.line);
  lines[lines.length - 1] = lines[lines.length - 1].slice(0, end.column - 1);
  lines[0] = lines[0].slice(start.column - 1);
  return `${lines.join("\n")} → ${replacement}`.replace(/\s+/g, " ");
}

/** Tries the mutants of a module; gives how many things are not as they must be. */
async function judge(path: string, lines: string, listed: readonly string[]): Promise<number> {
  const { files: { [path]: { source, mutants } } } = await tryMutants(path, lines);
  const tried = mutants.filter(({ status }) => status !== "Ignored");
  const survived = tried.filter(({ status }) => status === "Survived" || status === "NoCoverage");
  const changes = survived.map((one) => changeOf(source, one));
  const faults = [
    ...changes.flatMap((change, i) =>
      listed.includes(change)
        ? []
        : [`NOT CAUGHT line ${survived[i].location.start.line}: ${change}`]
    ),
    ...listed.filter((change) => lines === "" && !changes.includes(change))
      .map((change) => `LISTED BUT CAUGHT, OR NOT THERE: ${change}`),
  ];
  for (const fault of faults) console.log(fault);
  console.log(`${path}${lines}: ${tried.length} mutants, ${tried.length - survived.length} caught`);
  return faults.length;
}

async function main(words: readonly string[]): Promise<number> {
  const chosen = (words.length > 0 ? words : Object.keys(subjects)).map((word) => {
    const [, path, lines] = /^([^:]*)(:\d+(?:-\d+)?)?$/.exec(word) ?? [];
    if (!(path in subjects)) {
      throw new Error(`"${word}" is none of ${Object.keys(subjects).join(", ")}`);
    }
    // Stryker takes a range only.
    return { path, lines: lines?.replace(/^:(\d+)$/, ":$1-$1") ?? "" };
  });
  const file = await Deno.readTextFile(`${import.meta.dirname}/survivors.json`);
  const listed: Readonly<Record<string, Readonly<Record<string, string>>>> = JSON.parse(file);
  let faults = 0;
  for (const { path, lines } of chosen) {
    faults += await judge(path, lines, Object.keys(listed[path] ?? {}));
  }
  return faults === 0 ? 0 : 1;
}

try {
  Deno.exit(await main(Deno.args));
} catch (error) {
  console.error(`Cannot try mutants: ${messageOf(error)}`);
  Deno.exit(2);
}
