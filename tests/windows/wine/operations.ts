/** What manager.ts does for a test, and how both ends write it. */

/** One command: an operation and its arguments. Names are those of services. */
export type Command =
  | readonly ["create", name: string, binPath: string]
  | readonly ["remove", name: string]
  /** Starts and waits for RUNNING or STOPPED, 30 s at most. */
  | readonly ["start", name: string]
  /** Stops and waits for STOPPED, 30 s at most. */
  | readonly ["stop", name: string]
  | readonly ["query", name: string]
  /** Waits for a state, for a time at most. */
  | readonly ["wait", name: string, state: string, atMostMs: number]
  /** Sends a control; answered with the error number, 0 for none. */
  | readonly ["control", name: string, code: number]
  | readonly ["kill", pid: number]
  /** Sets a value of the service's settings, whatever its type and bytes. */
  | readonly ["setValue", name: string, type: number, bytes: readonly number[]]
  /** Sets owner and permissions of the settings' key, in SDDL. */
  | readonly ["protectSettings", sddl: string];

/** The commands that are answered with a service's state. */
export type StateCommand = Extract<
  Command,
  readonly ["start" | "stop" | "query" | "wait", ...unknown[]]
>;

/** A service's state, as QueryServiceStatusEx tells it, and how long it took to get there. */
export interface ServiceState {
  /** STOPPED, START_PENDING, STOP_PENDING or RUNNING. */
  readonly state: string;
  readonly accepted: number;
  readonly exitCode: number;
  readonly serviceExitCode: number;
  readonly pid: number;
  readonly ms: number;
}

/** Whether an answer is a state. */
export function isServiceState(value: unknown): value is ServiceState {
  return typeof value === "object" && value !== null && "state" in value && "ms" in value;
}

/** Whether a line's content is a command; its arguments are the other end's affair. */
export function isCommand(value: unknown): value is Command {
  return Array.isArray(value) && typeof value[0] === "string";
}
