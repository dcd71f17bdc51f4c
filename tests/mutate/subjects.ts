/** What is mutated, and which tests have to notice. */

/** A module and its tests, by their paths from the project's folder. */
export interface Subject {
  readonly path: string;
  /** Run first; most mutants don't get farther. */
  readonly nearest: readonly string[];
  /** Run when those notice nothing. */
  readonly others: readonly string[];
}

const ofWire = ["tests/wire", "tests/receiver/accept_test.ts"];
const ofReceiver = ["tests/receiver"];
const ofSender = ["tests/sender/exchange_test.ts", "tests/sender/report_test.ts"];

const subject = (path: string, others: readonly string[], nearest = mirrored(path)): Subject => ({
  path,
  nearest: [nearest],
  others,
});

/** `tests/wire/mac_test.ts` for `lib/wire/mac.ts`. */
function mirrored(path: string): string {
  return path.replace(/^lib\//, "tests/").replace(/\.ts$/, "_test.ts");
}

/** The receive path, the replay window, the gate, and the check of acks. */
export const subjects: readonly Subject[] = [
  subject("lib/wire/request.ts", ofWire),
  subject("lib/wire/ack.ts", ofWire),
  subject("lib/wire/mac.ts", ofWire),
  subject("lib/wire/legacy.ts", ofWire),
  subject("lib/wire/keyring.ts", ofWire),
  subject("lib/wire/text_field.ts", ofWire),
  subject("lib/wire/ip_address.ts", ofWire),
  subject("lib/receiver/accept.ts", ofReceiver),
  subject("lib/receiver/replay_window.ts", ofReceiver),
  subject("lib/receiver/flush_gate.ts", ofReceiver),
  subject("lib/receiver/allowed_sources.ts", ofReceiver),
  subject("lib/receiver/legacy_copies.ts", ofReceiver),
  subject("lib/receiver/rate_limit.ts", ofReceiver, "tests/receiver/limits_test.ts"),
  subject("lib/receiver/request_handler.ts", ofReceiver),
  subject("lib/receiver/acknowledger.ts", ofReceiver),
  subject("lib/receiver/gate_driver.ts", ofReceiver),
  subject("lib/receiver/receiver.ts", ofReceiver),
  subject("lib/sender/answers.ts", ofSender, "tests/sender/verdict_test.ts"),
];
