import { createLegacyCheck } from "../../../lib/receiver/accept.ts";
import { Challenges } from "../../../lib/receiver/replay_window.ts";
import { createMac, equalConstantTime, macLength } from "../../../lib/wire/keys.ts";
import { hasRightFilter } from "../../../lib/wire/request.ts";
import { signRequest } from "../../support/datagrams.ts";
import { sharedRouter } from "../requests.ts";
import { type Context, figure, type Row, type Section } from "../section.ts";
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

const wrongFirst = (right: Uint8Array) => right.with(0, right[0] ^ 1);
const wrongLast = (right: Uint8Array) => right.with(right.length - 1, right[right.length - 1] ^ 1);

function casesOf(): { guarded: Case[]; control: Case } {
  /** What a comparison of a guess with what is right is tried with. */
  const firstOrLast = (
    name: string,
    right: Uint8Array,
    isRight: (guess: Uint8Array) => boolean,
    guess = new Uint8Array(right.length),
  ): Case => ({
    what: `${name}, first or last byte wrong`,
    ...{ guess, versions: [wrongFirst(right), wrongLast(right)], call: () => isRight(guess) },
  });
  const lastOrEvery = (...[name, right, isRight]: Parameters<typeof firstOrLast>): Case => ({
    ...firstOrLast(name, right, isRight),
    what: `${name}, last or every byte wrong`,
    versions: [wrongLast(right), right.map((byte) => byte ^ 1)],
  });

  const mac = crypto.getRandomValues(new Uint8Array(macLength));
  const ofMac = ["MAC", mac, (guess: Uint8Array) => equalConstantTime(mac, guess)] as const;
  const password = "correct horse battery staple";
  const bytes = new TextEncoder().encode(password);
  const ofPassword = ["password", bytes, createLegacyCheck(password)] as const;
  const request = signRequest(sharedRouter);
  const filter = request.subarray(-macLength);
  const { key } = sharedRouter;
  const challenges = new Challenges(createMac(crypto.getRandomValues(new Uint8Array(32))));
  // In its first slot a host has no last challenge: both are the present one's guesses.
  const challenge = challenges.present(key.id, 0);
  const isChallenge = (guess: Uint8Array) => challenges.isRight(guess, key.id, 0);
  return {
    guarded: [
      firstOrLast(...ofMac),
      lastOrEvery(...ofMac),
      firstOrLast(...ofPassword),
      lastOrEvery(...ofPassword),
      firstOrLast("filter", filter.slice(), () => hasRightFilter(request, key), filter),
      firstOrLast("challenge", challenge, isChallenge),
    ],
    control: {
      ...firstOrLast("", mac, (guess) => equalUpToDifference(mac, guess)),
      what: "control: stops at the first difference",
    },
  };
}

function run({ quick, seed }: Context): Promise<Row[]> {
  const calls = quick ? 40_000 : 1_000_000;
  const random = seededRandom(seed);
  const { guarded, control } = casesOf();
  const rowFor = (one: Case, promise: Row["promise"]) =>
    figure(one.what, measure(one, calls, random), "", { promise });
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
