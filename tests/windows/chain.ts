/** What chain_program.ts tells chain_test.ts. */

/** How the host fared when the address moved. */
export interface Failover {
  /** From the failure to the first answer. */
  readonly outageMs: number;
  /** From the moment another router was master. */
  readonly healedAfterMs: number;
  /** The link-layer addresses that the host had for the address, and should have had after. */
  readonly before: string;
  readonly after: string;
  readonly expected: string;
}

/** What happened. */
export interface Chain {
  /** By the signed request. */
  readonly signed: Failover;
  /** By the 2009 datagram. */
  readonly legacy: Failover;
  /** What the sender of the signed request said. */
  readonly report: string;
  /** Gratuitous ARP packets that the host has ignored. */
  readonly ignored: number;
  /** The timeline, for people. */
  readonly lines: readonly string[];
}

/** How a sender's report says that a host has healed. */
export const healed = /\bhealed\b/;

/** Whether a document is a chain's; its content is the program's affair. */
export function isChain(value: unknown): value is Chain {
  return typeof value === "object" && value !== null && "signed" in value && "legacy" in value;
}
