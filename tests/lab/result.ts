/** What one run of the lab found, as docs/lab.json has it. Times in ms. */
import type { Outage, Silence } from "./outage.ts";

/** What a moment of the timeline is about. */
export type MomentKind =
  | "link down"
  | "link up"
  | "master"
  | "gratuitous ARP"
  | "datagram"
  | "flush"
  | "healed"
  | "report"
  | "note";

/** A moment of the timeline; `at` counts from the first failure. */
export interface Moment {
  readonly at: number;
  /** A station's name, "segment" or "system log". */
  readonly where: string;
  readonly kind: MomentKind;
  readonly text: string;
}

/** What happened to one lane. */
export interface LaneResult {
  readonly id: string;
  readonly title: string;
  /** The name of its host. */
  readonly station: string;
  readonly expected: "heals" | "stays stuck";
  /** Probes answered. */
  readonly answers: number;
  /** ARP packets from the virtual address that the host ignored; null where it heeds all. */
  readonly ignoredArpPackets: number | null;
  /** One for each failover. */
  readonly outages: readonly Outage[];
  /** Times without answers, counted from the first failure. */
  readonly silences: readonly Silence[];
}

/** One run. */
export interface RunResult {
  /** When the watch ended, counted from the first failure. */
  readonly end: number;
  /** When each failure was made: the master's link taken down. */
  readonly failures: readonly number[];
  /** In order; none of kind "note". */
  readonly moments: readonly Moment[];
  readonly lanes: readonly LaneResult[];
}
