/** What an attack came to: figures, and what was not as it must be. */
import type { Account } from "./wire_tap.ts";

/** One part of the attack. */
export interface PartOutcome {
  readonly part: string;
  /** Datagrams of the attack, without the genuine ones beside them. */
  readonly sent: number;
  /** All UDP datagrams of the part, whoever sent them: the kernel must have counted as many. */
  readonly datagrams: number;
  /** Figures by name, for people. */
  readonly figures: Readonly<Record<string, number>>;
  /** What was not as it must be, a line each; empty when all was. */
  readonly faults: readonly string[];
}

/** Collects the faults of a part. */
export interface Findings {
  readonly faults: readonly string[];
  /** A fault unless both are the same. */
  expect(what: string, got: number, wanted: number): void;
  fault(text: string): void;
}

/** No findings yet. */
export function createFindings(): Findings {
  const faults: string[] = [];
  return {
    faults,
    expect(what, got, wanted) {
      if (got !== wanted) faults.push(`${what}: ${got}, must be ${wanted}`);
    },
    fault: (text) => void faults.push(text),
  };
}

/** Nobody may ever have got more bytes than they had sent. */
export function checkAccounts(accounts: readonly Account[], findings: Findings): void {
  for (const { source, worstExcess } of accounts) {
    findings.expect(`Bytes sent to ${source} beyond what it had sent`, worstExcess, 0);
  }
}

/** Datagrams over all accounts, both ways. */
export function datagramsOf(accounts: readonly Account[]): number {
  return accounts.reduce((total, { sent, received }) => total + sent + received, 0);
}

/** Bytes over all accounts. */
export function traffic(accounts: readonly Account[]) {
  const sum = (of: (account: Account) => number) =>
    accounts.reduce((total, account) => total + of(account), 0);
  return {
    bytesToService: sum(({ sentBytes }) => sentBytes),
    bytesFromService: sum(({ receivedBytes }) => receivedBytes),
  };
}
