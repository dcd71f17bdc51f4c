/**
 * A program for deno.exe: what Wine's sc.exe and reg.exe can't do, or not with exact times. Reads one
 * command a line as JSON, an array of the operation and its arguments, and answers each with a line.
 */
import { systemDll, toWide } from "../../../lib/win32/kernel32.ts";
import { linesOf } from "../../support/command.ts";

/** One command: an operation and its arguments. Names are those of services. */
export type Command =
  | readonly ["create", name: string, binPath: string]
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

const HANDLE = "usize";
const advapi32 = Deno.dlopen(systemDll("advapi32.dll"), {
  OpenSCManagerW: { parameters: ["buffer", "buffer", "u32"], result: HANDLE },
  CreateServiceW: {
    parameters: [
      HANDLE,
      "buffer",
      "buffer",
      "u32",
      "u32",
      "u32",
      "u32",
      "buffer",
      "buffer",
      "buffer",
      "buffer",
      "buffer",
      "buffer",
    ],
    result: HANDLE,
  },
  OpenServiceW: { parameters: [HANDLE, "buffer", "u32"], result: HANDLE },
  StartServiceW: { parameters: [HANDLE, "u32", "buffer"], result: "i32", nonblocking: true },
  ControlService: { parameters: [HANDLE, "u32", "buffer"], result: "i32" },
  QueryServiceStatusEx: { parameters: [HANDLE, "u32", "buffer", "u32", "buffer"], result: "i32" },
  CloseServiceHandle: { parameters: [HANDLE], result: "i32" },
  RegCreateKeyExW: {
    parameters: [HANDLE, "buffer", "u32", "buffer", "u32", "u32", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  RegSetValueExW: {
    parameters: [HANDLE, "buffer", "u32", "u32", "buffer", "u32"],
    result: "i32",
  },
  RegSetKeySecurity: { parameters: [HANDLE, "u32", "buffer"], result: "i32" },
  RegCloseKey: { parameters: [HANDLE], result: "i32" },
  ConvertStringSecurityDescriptorToSecurityDescriptorW: {
    parameters: ["buffer", "u32", "buffer", "buffer"],
    result: "i32",
  },
}).symbols;
const kernel32 = Deno.dlopen(systemDll("kernel32.dll"), {
  GetLastError: { parameters: [], result: "u32" },
  OpenProcess: { parameters: ["u32", "i32", "u32"], result: HANDLE },
  TerminateProcess: { parameters: [HANDLE, "u32"], result: "i32" },
  CloseHandle: { parameters: [HANDLE], result: "i32" },
  RtlMoveMemory: { parameters: ["buffer", HANDLE, HANDLE], result: "void" },
}).symbols;

const everything = 0xf01ff;
const HKEY_LOCAL_MACHINE = 0xffff_ffff_8000_0002n;
const settingsPath = "SOFTWARE\\NPSL\\ArpFlush";
const states = ["", "STOPPED", "START_PENDING", "STOP_PENDING", "RUNNING"];

const manager = advapi32.OpenSCManagerW(null, null, 0xf003f);

function lastError(call: string): Error {
  return new Error(`${call}: error ${kernel32.GetLastError()}`);
}

function withService<Result>(name: string, work: (service: bigint) => Result): Result {
  const service = advapi32.OpenServiceW(manager, toWide(name), everything);
  if (service === 0n) throw lastError("OpenServiceW");
  const result = work(service);
  // A call under way in another thread still needs its handle.
  if (result instanceof Promise) result.finally(() => advapi32.CloseServiceHandle(service));
  else advapi32.CloseServiceHandle(service);
  return result;
}

function stateOf(service: bigint): ServiceState {
  const words = new Uint32Array(9);
  const needed = new Uint32Array(1);
  if (advapi32.QueryServiceStatusEx(service, 0, words, words.byteLength, needed) === 0) {
    throw lastError("QueryServiceStatusEx");
  }
  return {
    state: states[words[1]],
    accepted: words[2],
    exitCode: words[3],
    serviceExitCode: words[4],
    pid: words[7],
    ms: 0,
  };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until the service is in a state, or for a time. */
async function until(service: bigint, wanted: readonly string[], atMostMs: number) {
  const start = performance.now();
  for (;;) {
    const state = stateOf(service);
    const ms = performance.now() - start;
    if (wanted.includes(state.state) || ms > atMostMs) return { ...state, ms };
    await pause(2);
  }
}

function control(name: string, code: number): number {
  return withService(name, (service) => {
    const done = advapi32.ControlService(service, code, new Uint32Array(7));
    return done === 0 ? kernel32.GetLastError() : 0;
  });
}

function openSettings(): bigint {
  const key = new BigUint64Array(1);
  const access = 0xf003f | 0x100;
  const code = advapi32.RegCreateKeyExW(
    HKEY_LOCAL_MACHINE,
    toWide(settingsPath),
    0,
    null,
    0,
    access,
    null,
    key,
    null,
  );
  if (code !== 0) throw new Error(`RegCreateKeyExW: error ${code}`);
  return key[0];
}

function create(name: string, binPath: string): void {
  const service = advapi32.CreateServiceW(
    manager,
    toWide(name),
    toWide(name),
    everything,
    0x10, // SERVICE_WIN32_OWN_PROCESS
    3, // SERVICE_DEMAND_START
    1, // SERVICE_ERROR_NORMAL
    toWide(binPath),
    null,
    null,
    null,
    null,
    null,
  );
  if (service === 0n) throw lastError("CreateServiceW");
  advapi32.CloseServiceHandle(service);
}

function start(name: string): Promise<ServiceState> {
  return withService(name, async (service) => {
    const begin = performance.now();
    await advapi32.StartServiceW(service, 0, null);
    const state = await until(service, ["RUNNING", "STOPPED"], 30_000);
    return { ...state, ms: performance.now() - begin };
  });
}

function stop(name: string): Promise<ServiceState> {
  return withService(name, async (service) => {
    const begin = performance.now();
    advapi32.ControlService(service, 1, new Uint32Array(7));
    const state = await until(service, ["STOPPED"], 30_000);
    return { ...state, ms: performance.now() - begin };
  });
}

function kill(pid: number): void {
  const process = kernel32.OpenProcess(1, 0, pid);
  if (process === 0n) throw lastError("OpenProcess");
  kernel32.TerminateProcess(process, 1);
  kernel32.CloseHandle(process);
}

function setValue(name: string, type: number, bytes: readonly number[]): void {
  const key = openSettings();
  const data = Uint8Array.from(bytes);
  advapi32.RegSetValueExW(key, toWide(name), 0, type, data, data.length);
  advapi32.RegCloseKey(key);
}

function protectSettings(sddl: string): void {
  const descriptor = new BigUint64Array(1);
  const size = new Uint32Array(1);
  const convert = advapi32.ConvertStringSecurityDescriptorToSecurityDescriptorW;
  if (convert(toWide(sddl), 1, descriptor, size) === 0) throw lastError("Convert…W");
  const bytes = new Uint8Array(size[0]);
  kernel32.RtlMoveMemory(bytes, descriptor[0], BigInt(bytes.length));
  const key = openSettings();
  const ownerAndDacl = 1 | 4;
  const code = advapi32.RegSetKeySecurity(key, ownerAndDacl, bytes);
  advapi32.RegCloseKey(key);
  if (code !== 0) throw new Error(`RegSetKeySecurity: error ${code}`);
}

function perform(command: Command): unknown {
  switch (command[0]) {
    case "create":
      return create(command[1], command[2]);
    case "start":
      return start(command[1]);
    case "stop":
      return stop(command[1]);
    case "query":
      return withService(command[1], stateOf);
    case "wait":
      return withService(command[1], (service) => until(service, [command[2]], command[3]));
    case "control":
      return control(command[1], command[2]);
    case "kill":
      return kill(command[1]);
    case "setValue":
      return setValue(command[1], command[2], command[3]);
    case "protectSettings":
      return protectSettings(command[1]);
  }
}

async function answer(line: string): Promise<unknown> {
  try {
    const command: Command = JSON.parse(line);
    return { result: await perform(command) ?? null };
  } catch (error) {
    return { error: String(error) };
  }
}

for await (const line of linesOf(Deno.stdin.readable)) {
  console.log(JSON.stringify(await answer(line)));
}
