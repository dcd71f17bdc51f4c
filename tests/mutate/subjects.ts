/** What is mutated, and which tests have to notice. */

/** A module and its tests, by their paths from the project's folder. */
export interface Subject {
  readonly path: string;
  /** Run first; most mutants don't get farther. */
  readonly nearest: readonly string[];
  /** Run when those notice nothing. */
  readonly others: readonly string[];
}

const ofWire = ["tests/unit/wire", "tests/unit/receiver/accept_test.ts"];
const ofReceiver = ["tests/unit/receiver"];
const ofSender = ["tests/unit/sender/outcome_test.ts", "tests/unit/sender/table_test.ts"];

const subject = (path: string, others: readonly string[], nearest = mirrored(path)): Subject => ({
  path,
  nearest: [nearest],
  others,
});

/** `tests/unit/wire` for `lib/wire/keys.ts`. */
function mirrored(path: string): string {
  return path.replace(/^lib\/(.*)\/.*/, "tests/unit/$1");
}

/** The receive path, the replay window, the gate, and the check of acks. */
export const subjects: readonly Subject[] = [
  subject("lib/wire/request.ts", ofWire),
  subject("lib/wire/ack.ts", ofWire),
  subject("lib/wire/keys.ts", ofWire),
  subject("lib/wire/legacy.ts", ofWire),
  subject("lib/wire/datagram.ts", ofWire),
  subject("lib/wire/addresses.ts", ofWire),
  subject("lib/receiver/accept.ts", ofReceiver),
  subject("lib/receiver/replay_window.ts", ofReceiver),
  subject("lib/receiver/flusher.ts", ofReceiver),
  subject("lib/receiver/rate_limits.ts", ofReceiver, "tests/unit/receiver/rate_limits_test.ts"),
  subject("lib/receiver/receiver.ts", ofReceiver),
  subject("lib/receiver/answers.ts", ofReceiver),
  subject("lib/sender/exchange.ts", ofSender, "tests/unit/sender/exchange_test.ts"),
  subject("lib/sender/hosts.ts", ofSender, "tests/unit/sender/hosts_test.ts"),
];
