/** The effective settings of a service, whichever platform they were read from. */
import type { AddressPrefix } from "../wire/ip_address.ts";

/** How much the log says. */
export const logLevels = ["error", "warning", "info", "debug"] as const;
export type LogLevel = typeof logLevels[number];

/** How a line of the log on stderr looks. */
export const logFormats = ["text", "json"] as const;
export type LogFormat = typeof logFormats[number];

/** Names as in the file and in the registry; `schema.ts` holds defaults, units and limits. */
export interface Settings {
  /** UDP port. */
  readonly Port: number;
  /** Address to listen on; `::` hears both families on Linux. */
  readonly Listen: string;
  /** Path of the key file; empty: no key, only a password. */
  readonly KeyFile: string;
  /** Password of the 2009 datagram; empty: that datagram is not accepted. */
  readonly Password: string;
  /** Within any period of this length at most 3 flushes start. */
  readonly HoldDownSeconds: number;
  /** How far a request's clock may be from the host's. */
  readonly ClockToleranceSeconds: number;
  /** Networks whose requests are looked at; "on-link": those the host has an address in. */
  readonly AllowedSources: "on-link" | readonly AddressPrefix[];
  /** Flush when the service starts. */
  readonly FlushOnStart: boolean;
  /** Addresses resolved anew regularly; "gateway": the default gateways. */
  readonly RefreshAddresses: "none" | "gateway" | readonly AddressPrefix[];
  readonly RefreshSeconds: number;
  /** Path of the file for Prometheus' textfile collectors; empty: none is written. */
  readonly MetricsFile: string;
  readonly LogLevel: LogLevel;
  readonly LogFormat: LogFormat;
}
