/**
 * Do comparisons of MACs and passwords tell by their time how much of a guess was right?
 *
 *     deno run -q -P=tests tests/measure/constant_time.ts [--calls N] [--json]
 *
 * One million calls a case by default. Exit code: 0 no case above dudect's bound for a certain leak,
 * 1 one is, 2 wrong arguments. The cases for comparison may: that a guess was right as a whole shows
 * in what follows anyway, and the last one stops early to show that the measurement sees it.
 */
import { createKey, equalConstantTime, macLength } from "../../lib/wire/keys.ts";
import { createLegacyCheck } from "../../lib/wire/legacy.ts";
import { encodeRequest, verifyRequest } from "../../lib/wire/request.ts";
import { type Leak, measureLeak, tBounds, type TimedCase } from "./timing_leak.ts";

/** Compares as one must not: up to the first difference. */
function equalUpToDifference(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return a.length === b.length;
}

/** Apart by this much, so that both inputs lie alike in the processor's cache. */
const apart = 128;

/** Copies one of two inputs to the guess without a branch. */
function either(guess: Uint8Array, first: Uint8Array, second: Uint8Array): TimedCase["prepare"] {
  const memory = new Uint8Array(2 * apart);
  const inputs = [first, second].map((input, i) => {
    memory.set(input, i * apart);
    return memory.subarray(i * apart, i * apart + input.length);
  });
  return (one) => guess.set(inputs[one]);
}

/** A guess that is wrong in its first byte, or in its last byte alone. */
function firstOrLast(right: Uint8Array, guess: Uint8Array): TimedCase["prepare"] {
  const wrongFirst = right.slice();
  wrongFirst[0] ^= 1;
  const wrongLast = right.slice();
  wrongLast[wrongLast.length - 1] ^= 1;
  return either(guess, wrongFirst, wrongLast);
}

/** A guess that is wrong in its last byte alone, or in every byte. */
function lastOrEvery(right: Uint8Array, guess: Uint8Array): TimedCase["prepare"] {
  const wrongLast = right.slice();
  wrongLast[wrongLast.length - 1] ^= 1;
  return either(guess, wrongLast, right.map((byte) => byte ^ 1));
}

/** A guess that is right, or wrong in its last byte. */
function rightOrLast(right: Uint8Array, guess: Uint8Array): TimedCase["prepare"] {
  const wrongLast = right.slice();
  wrongLast[wrongLast.length - 1] ^= 1;
  return either(guess, right.slice(), wrongLast);
}

/** The cases, and whether they may leak: a comparison that stops early, and what the answer tells. */
function cases(): readonly { readonly timed: TimedCase; readonly leaks: boolean }[] {
  const mac = crypto.getRandomValues(new Uint8Array(macLength));
  const guessedMac = new Uint8Array(macLength);
  const compareMacs = () => equalConstantTime(mac, guessedMac);

  const password = new TextEncoder().encode("correct horse battery staple");
  const guessedPassword = new Uint8Array(password.length);
  const check = createLegacyCheck(new TextDecoder().decode(password));
  const comparePasswords = () => check(guessedPassword);

  const key = createKey(crypto.getRandomValues(new Uint8Array(32)));
  const id = crypto.getRandomValues(new Uint8Array(16));
  const request = encodeRequest({
    action: "flush all",
    acknowledge: true,
    report: false,
    created: Date.now(),
    id,
    ackSpreadMs: 0,
    sender: "r1",
    addresses: [],
  }, key);
  const tail = request.subarray(-macLength);
  const rightTail = tail.slice();

  const timed = (
    name: string,
    prepare: TimedCase["prepare"],
    call: () => boolean,
    leaks = false,
  ) => ({ timed: { name, prepare, call }, leaks });
  return [
    timed("MAC, first or last byte wrong", firstOrLast(mac, guessedMac), compareMacs),
    timed("MAC, last or every byte wrong", lastOrEvery(mac, guessedMac), compareMacs),
    timed(
      "password, first or last byte wrong",
      firstOrLast(password, guessedPassword),
      comparePasswords,
    ),
    timed(
      "password, last or every byte wrong",
      lastOrEvery(password, guessedPassword),
      comparePasswords,
    ),
    timed(
      "whole request, first or last byte of the MAC wrong",
      firstOrLast(rightTail, tail),
      () => verifyRequest(request, key),
    ),
    timed(
      "for comparison: MAC, right or last byte wrong",
      rightOrLast(mac, guessedMac),
      compareMacs,
      true,
    ),
    timed(
      "for comparison: password, right or last byte wrong",
      rightOrLast(password, guessedPassword),
      comparePasswords,
      true,
    ),
    timed(
      "for comparison: stops at the first difference",
      firstOrLast(mac, guessedMac),
      () => equalUpToDifference(mac, guessedMac),
      true,
    ),
  ];
}

function lineOf({ name, calls, t, differenceNs, medianNs }: Leak): string {
  const numbers = [
    `t ${t.toFixed(2).padStart(8)}`,
    `difference ${differenceNs.toFixed(3).padStart(7)} ns`,
    `of ${medianNs.toFixed(0).padStart(6)} ns`,
    `${calls} calls`,
  ];
  return `${name.padEnd(52)} ${numbers.join("  ")}`;
}

function main(args: readonly string[]): number {
  let calls = 1_000_000;
  let json = false;
  for (let i = 0; i < args.length; i++) {
    if (args[i] === "--json") json = true;
    else if (args[i] === "--calls" && /^[1-9]\d{3,8}$/.test(args[i + 1] ?? "")) {
      calls = Number(args[++i]);
    } else {
      console.error(`Unknown argument "${args[i]}": [--calls N (1000 or more)] [--json]`);
      return 2;
    }
  }
  const measured = cases().map(({ timed, leaks }) => ({ ...measureLeak(timed, calls), leaks }));
  if (json) console.log(JSON.stringify({ date: new Date().toISOString(), measured }, null, 2));
  else measured.forEach((leak) => console.log(lineOf(leak)));
  const certain = ({ t }: Leak) => Math.abs(t) > tBounds.certain;
  return measured.every((leak) => leak.leaks || !certain(leak)) ? 0 : 1;
}

if (import.meta.main) Deno.exit(main(Deno.args));
