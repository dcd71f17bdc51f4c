/** iphlpapi.dll: being told when an IP interface comes, goes or changes (netioapi.h). */
import { AF_UNSPEC } from "./sockaddr_inet.ts";
import { systemDll } from "./system_dll.ts";
import { win32 } from "./win32_error.ts";

const symbols = {
  NotifyIpInterfaceChange: {
    parameters: [
      /* ADDRESS_FAMILY Family */ "u16",
      /* PIPINTERFACE_CHANGE_CALLBACK Callback */ "function",
      /* PVOID CallerContext */ "usize",
      /* BOOLEAN InitialNotification */ "u8",
      /* HANDLE *NotificationHandle */ "buffer",
    ],
    result: /* NETIO_STATUS */ "u32",
    optional: true,
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** PIPINTERFACE_CHANGE_CALLBACK */
const changeCallback = {
  parameters: [
    /* PVOID CallerContext */ "usize",
    /* PMIB_IPINTERFACE_ROW Row */ "usize",
    /* MIB_NOTIFICATION_TYPE NotificationType */ "u32",
  ],
  result: "void",
} as const satisfies Deno.UnsafeCallbackDefinition;

/** The system may call back as long as the process lives. */
const kept: unknown[] = [];

/**
 * Calls `changed` on every change for as long as the process lives; returns the error number. There
 * is no way to end it: CancelMibChangeNotify2 waits for a callback under way, which waits for us.
 * `changed` runs on the system's time and must only note what is wanted; it must not throw. Needs the
 * whole FFI permission, for the callback, and none afterwards.
 */
export function notifyIpInterfaceChange(changed: () => void): number {
  const dll = Deno.dlopen(systemDll("iphlpapi.dll"), symbols).symbols;
  if (dll.NotifyIpInterfaceChange === null) return win32.procNotFound;
  const callback = Deno.UnsafeCallback.threadSafe(changeCallback, () => changed());
  kept.push(callback);
  return dll.NotifyIpInterfaceChange(AF_UNSPEC, callback.pointer, 0n, 0, new BigUint64Array(1));
}
