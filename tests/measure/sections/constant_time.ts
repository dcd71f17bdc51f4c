import { Challenges } from "../../../lib/receiver/replay_window.ts";
import { createMac, equalConstantTime, macLength } from "../../../lib/wire/keys.ts";
import { createLegacyCheck } from "../../../lib/receiver/accept.ts";
import { hasRightFilter } from "../../../lib/wire/request.ts";
import { sharedRouter, signedRequest } from "../requests.ts";
import type { Context, Row, Section } from "../section.ts";
import { quantile, seededRandom, welchT } from "../statistics.ts";

/** |t| above which dudect calls a leak certain (Reparaz, Balasch, Verbauwhede 2017). */
const certain = 10;
/** Calls in one measurement: one call takes less time than reading the clock. */
const callsAtOnce = 8;
const warmUpCalls = 50_000;
/** The slowest tenth is dropped: an interrupt says nothing about the function. */
const kept = 0.9;
/** Both inputs lie this far apart in memory, so that they are alike in the processor's cache. */
const apart = 128;

/** A function, and a guess of its in two versions whose times are compared. */
interface Case {
  readonly what: string;
  readonly guess: Uint8Array;
  readonly versions: readonly [Uint8Array, Uint8Array];
  readonly call: () => boolean;
}

/** Results go here without a branch on them, so that the compiler can leave no call out. */
export let result = false;

/** Welch's t between the times of both versions, called in random order. */
function measure({ guess, versions, call }: Case, calls: number, random: () => number): number {
  const memory = new Uint8Array(2 * apart);
  versions.forEach((version, i) => memory.set(version, i * apart));
  const parts = [0, 1].map((i) => memory.subarray(i * apart, i * apart + guess.length));
  for (let i = 0; i < warmUpCalls; i++) {
    guess.set(parts[i & 1]);
    result = call();
  }
  const samples = Array.from({ length: Math.ceil(calls / callsAtOnce) }, () => {
    const version = random() < 0.5 ? 0 : 1;
    guess.set(parts[version]);
    const start = performance.now();
    for (let j = 0; j < callsAtOnce; j++) result = call();
    return { version, ms: performance.now() - start };
  });
  const limit = quantile(samples.map(({ ms }) => ms), kept);
  const timesOf = (wanted: number) =>
    samples.filter(({ version, ms }) => version === wanted && ms <= limit).map(({ ms }) => ms);
  return Math.abs(welchT(timesOf(0), timesOf(1)));
}

/** Stops at the first difference, as a comparison of secrets must not. */
function equalUpToDifference(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function casesOf(): { guarded: Case[]; control: Case } {
  const wrongFirst = (right: Uint8Array) => right.with(0, right[0] ^ 1);
  const wrongLast = (right: Uint8Array) =>
    right.with(right.length - 1, right[right.length - 1] ^ 1);
  const firstOrLast = (right: Uint8Array) => [wrongFirst(right), wrongLast(right)] as const;
  const lastOrEvery = (right: Uint8Array) =>
    [wrongLast(right), right.map((byte) => byte ^ 1)] as const;

  const mac = crypto.getRandomValues(new Uint8Array(macLength));
  const guessedMac = new Uint8Array(macLength);
  const password = new TextEncoder().encode("correct horse battery staple");
  const guessedPassword = new Uint8Array(password.length);
  const isPassword = createLegacyCheck(new TextDecoder().decode(password));
  const request = signedRequest();
  const filter = request.subarray(-macLength);
  const { key } = sharedRouter;
  const challenges = new Challenges(createMac(crypto.getRandomValues(new Uint8Array(32))));
  // In its first slot a host has no last challenge: both are the present one's guesses.
  const challenge = challenges.present(key.id, 0);
  const guessedChallenge = new Uint8Array(challenge.length);
  const macs = { guess: guessedMac, call: () => equalConstantTime(mac, guessedMac) };
  const passwords = { guess: guessedPassword, call: () => isPassword(guessedPassword) };
  return {
    guarded: [
      { what: "MAC, first or last byte wrong", versions: firstOrLast(mac), ...macs },
      { what: "MAC, last or every byte wrong", versions: lastOrEvery(mac), ...macs },
      { what: "password, first or last byte wrong", versions: firstOrLast(password), ...passwords },
      { what: "password, last or every byte wrong", versions: lastOrEvery(password), ...passwords },
      {
        what: "filter, first or last byte wrong",
        guess: filter,
        versions: firstOrLast(filter.slice()),
        call: () => hasRightFilter(request, key),
      },
      {
        what: "challenge, first or last byte wrong",
        guess: guessedChallenge,
        versions: firstOrLast(challenge),
        call: () => challenges.isRight(guessedChallenge, key.id, 0),
      },
    ],
    control: {
      what: "control: stops at the first difference",
      guess: guessedMac,
      versions: firstOrLast(mac),
      call: () => equalUpToDifference(mac, guessedMac),
    },
  };
}

function run({ quick, seed }: Context): Promise<Row[]> {
  const calls = quick ? 40_000 : 1_000_000;
  const random = seededRandom(seed);
  const { guarded, control } = casesOf();
  const rowFor = (one: Case, promise: Row["promise"]): Row => ({
    what: one.what,
    value: measure(one, calls, random),
    unit: "",
    promise,
  });
  return Promise.resolve([
    ...guarded.map((one) => rowFor(one, { max: certain })),
    rowFor(control, { min: certain }),
  ]);
}

export const constantTime: Section = {
  title: "Constant time",
  about:
    "Welch's |t| between the times of two wrong guesses, a million calls; above 10 is a leak, " +
    "which the control must have.",
  run,
};
