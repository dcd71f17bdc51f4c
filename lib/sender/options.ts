/** What a command line asks for, checked and with defaults filled in. */
import type { AddressPrefix } from "../wire/ip_address.ts";
import type { Action } from "../wire/request.ts";
import type { Target } from "./targets.ts";

/** What signs or fills the datagram. */
export type Secret =
  | { readonly kind: "key file"; readonly path: string }
  /** The 2009 datagram: nothing is acknowledged. */
  | { readonly kind: "password"; readonly password: string }
  | { readonly kind: "password file"; readonly path: string };

/** Who has to confirm, as the command line says it. */
export type ExpectWish =
  | { readonly kind: "count"; readonly count: number }
  | { readonly kind: "file"; readonly path: string };

/** Options of a run that sends. */
export interface SendOptions {
  readonly all: boolean;
  /** Names that narrow `all`; empty: every interface. */
  readonly interfaceNames: readonly string[];
  readonly hosts: readonly Target[];
  readonly port: number;
  /** How often the same bytes are sent. */
  readonly count: number;
  readonly intervalMs: number;
  /** After the last copy. */
  readonly waitMs: number;
  /** Up to how many ms hosts delay their acks at random; "auto": by how many are expected. */
  readonly spread: "auto" | number;
  readonly secret: Secret;
  readonly action: Action;
  /** Hosts resolve the addresses in question and report. */
  readonly verify: boolean;
  /** Addresses in question; null: this machine's own. */
  readonly addresses: readonly AddressPrefix[] | null;
  /** Null: at least one host. */
  readonly expect: ExpectWish | null;
  readonly output: "text" | "json";
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly syslog: boolean;
}

/** What a command line comes to. */
export type Command =
  | { readonly kind: "send"; readonly options: SendOptions }
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "keygen" }
  /** keepalived told of another state than MASTER; `line` says which. */
  | { readonly kind: "nothing"; readonly line: string; readonly verbose: boolean };
