import fc from "fast-check";
import assert from "node:assert/strict";
import { parseCommandLine } from "../../lib/command_line.ts";

const options = {
  all: { letter: "a" },
  count: { letter: "c", value: "N" },
  file: { value: "FILE" },
  quiet: { letter: "q" },
  help: { letter: "h", isLast: true },
} as const;
const names = ["all", "count", "file", "quiet", "help"] as const;

/** What a command line gives, as text: options with their values, then operands. */
function read(args: readonly string[]): string {
  const { values, operands } = parseCommandLine(args, options);
  const given = names.flatMap((name) => values(name).map((value) => `${name}=${value}`));
  return [...given, ...operands.map((operand) => `<${operand}>`)].join(" ");
}

/** The forms of POSIX (guidelines 3 to 10) and of GNU's long options. */
const forms: [line: string, given: string][] = [
  ["", ""],
  ["-a", "all="],
  ["-aq", "all= quiet="],
  ["-aqc5", "all= count=5 quiet="],
  ["-qc 5 -a", "all= count=5 quiet="],
  ["-c5q", "count=5q"],
  ["-c=5", "count==5"],
  ["--count 5 --count=6", "count=5 count=6"],
  ["--count=", "count="],
  ["--count=a=b", "count=a=b"],
  ["-c -5", "count=-5"],
  ["-c -", "count=-"],
  ["--file -x", "file=-x"],
  ["--file=-a", "file=-a"],
  ["x -a y - z", "all= <x> <y> <-> <z>"],
  ["-a -- -q --bogus --", "all= <-q> <--bogus> <-->"],
  ["-ah --bogus x", "all= help="],
];
for (const [line, given] of forms) {
  Deno.test(`parseCommandLine() reads "${line}"`, () => {
    assert.equal(read(line === "" ? [] : line.split(" ")), given);
  });
}

const refused: [line: string, message: string][] = [
  ["--bogus", "Unknown option --bogus"],
  ["--bogus=1", "Unknown option --bogus"],
  ["--Counts", "Unknown option --Counts, is it --count?"],
  ["---", "Unknown option ---"],
  ["--=", "Unknown option --"],
  ["-ax", "Unknown option -x"],
  ["-€", "Unknown option -€"],
  ["-c", "Option -c needs a value"],
  ["--count", "Option --count needs a value"],
  ["-c -a", "Option -c needs a value"],
  ["-c --", "Option -c needs a value"],
  ["--file --count=5", "Option --file needs a value"],
  ["--all=1", "Option --all has no value"],
  ["--all=", "Option --all has no value"],
];
for (const [line, message] of refused) {
  Deno.test(`parseCommandLine() refuses "${line}"`, () => {
    assert.throws(() => read(line.split(" ")), { name: "UsageError", message });
  });
}

Deno.test("parseCommandLine() reads a value the same in every form", () => {
  fc.assert(fc.property(fc.string({ minLength: 1 }), (value) => {
    fc.pre(!["--", "-a", "-c", "-q", "-h"].includes(value));
    fc.pre(!names.some((name) => value.split("=", 1)[0] === `--${name}`));
    for (const form of [["-c", value], [`-c${value}`], ["--count", value], [`--count=${value}`]]) {
      assert.equal(parseCommandLine(form, options).value("count"), value);
    }
  }));
});

Deno.test("parseCommandLine() knows what isn't given", () => {
  const { has, value, values } = parseCommandLine(["-a"], options);
  assert.deepEqual([has("all"), has("quiet"), value("count"), values("count")], [
    true,
    false,
    undefined,
    [],
  ]);
});
