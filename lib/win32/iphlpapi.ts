/**
 * iphlpapi.dll: the neighbor cache, the host's addresses and routes. Every call returns its error
 * number; none of them uses GetLastError.
 */
import type { AddressPrefix } from "../wire/addresses.ts";
import { copyMemory, kernel32, systemDll } from "./kernel32.ts";
import {
  AF_INET,
  type AF_INET6,
  AF_UNSPEC,
  encodeIpNetRow,
  encodeSockaddrInet,
  type ForwardRow,
  forwardRows,
  type InterfaceRow,
  interfaceRows,
  type IpNetRow,
  ipNetRows,
  readTable,
  type RowKind,
  type UdpRow,
  udpRows,
  type UnicastRow,
  unicastRows,
} from "./netioapi.ts";
import { mibTable, mibUdpTable, mibUnicastIpAddressRow } from "./structures.ts";
import { win32, win32Error } from "./win32_error.ts";

const NETIO_STATUS = "u32";

/** All that Windows Vista and later export; what Wine lacks is optional. */
const symbols = {
  FlushIpNetTable2: {
    parameters: [/* ADDRESS_FAMILY Family */ "u16", /* NET_IFINDEX InterfaceIndex */ "u32"],
    result: NETIO_STATUS,
    optional: true,
  },
  FlushIpNetTable: { parameters: [/* DWORD dwIfIndex */ "u32"], result: "u32" },
  GetIpNetTable2: {
    parameters: [/* ADDRESS_FAMILY Family */ "u16", /* PMIB_IPNET_TABLE2 *Table */ "buffer"],
    result: NETIO_STATUS,
  },
  GetUnicastIpAddressTable: {
    parameters: [
      /* ADDRESS_FAMILY Family */ "u16",
      /* PMIB_UNICASTIPADDRESS_TABLE *Table */ "buffer",
    ],
    result: NETIO_STATUS,
  },
  GetIpInterfaceTable: {
    parameters: [/* ADDRESS_FAMILY Family */ "u16", /* PMIB_IPINTERFACE_TABLE *Table */ "buffer"],
    result: NETIO_STATUS,
    optional: true,
  },
  GetIpForwardTable2: {
    parameters: [/* ADDRESS_FAMILY Family */ "u16", /* PMIB_IPFORWARD_TABLE2 *Table */ "buffer"],
    result: NETIO_STATUS,
  },
  GetExtendedUdpTable: {
    parameters: [
      /* PVOID pUdpTable */ "buffer",
      /* PDWORD pdwSize */ "buffer",
      /* BOOL bOrder */ "i32",
      /* ULONG ulAf */ "u32",
      /* UDP_TABLE_CLASS TableClass */ "i32",
      /* ULONG Reserved */ "u32",
    ],
    result: "u32",
    optional: true,
  },
  FreeMibTable: { parameters: [/* PVOID Memory */ "usize"], result: "void" },
  CreateIpNetEntry2: {
    parameters: [/* const MIB_IPNET_ROW2 *Row */ "buffer"],
    result: NETIO_STATUS,
    optional: true,
  },
  DeleteIpNetEntry2: {
    parameters: [/* const MIB_IPNET_ROW2 *Row */ "buffer"],
    result: NETIO_STATUS,
    optional: true,
  },
  GetBestInterfaceEx: {
    parameters: [
      /* struct sockaddr *pDestAddr */ "buffer",
      /* PDWORD pdwBestIfIndex */ "buffer",
    ],
    result: "u32",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** UDP_TABLE_CLASS (iprtrmib.h). */
const UDP_TABLE_OWNER_PID = 1;
/** Enough for the sockets of any host. */
const maxUdpTableBytes = 2 ** 24;

/** An error number and, when it is 0, rows. Nothing found (1168) is 0 with no rows. */
export interface TableResult<Row> {
  readonly code: number;
  readonly rows: Row[];
}

/**
 * What the neighbor cache needs of the DLL. A call whose export is missing returns 127. Every call
 * blocks, for ms at most: Deno on Windows has 4 threads per processor for all that don't, and calls
 * that wait for the network would hold up a flush there.
 */
export interface IpHelper {
  /** Whether FlushIpNetTable2 is exported. */
  readonly hasFlushIpNetTable2: boolean;
  /** On every interface; AF_UNSPEC: both families. */
  flushIpNetTable2(family: number): number;
  /** IPv4 on one interface. */
  flushIpNetTable(interfaceIndex: number): number;
  getIpNetTable2(family: number): TableResult<IpNetRow>;
  getUnicastIpAddressTable(family: number): TableResult<UnicastRow>;
  getIpInterfaceTable(family: number): TableResult<InterfaceRow>;
  getIpForwardTable2(family: number): TableResult<ForwardRow>;
  /** The UDP sockets of all processes. */
  getExtendedUdpTable(family: typeof AF_INET | typeof AF_INET6): TableResult<UdpRow>;
  createIpNetEntry2(row: IpNetRow): number;
  deleteIpNetEntry2(row: IpNetRow): number;
  /** The index of the interface that the best route to an address leaves through; 0 for none. */
  getBestInterfaceEx(destination: AddressPrefix): number;
}

/** Opens the DLL. Throws when it can't be loaded or FFI isn't permitted; needs no permission after. */
export function openIpHelper(path: string = systemDll("iphlpapi.dll")): IpHelper {
  const dll = Deno.dlopen(path, symbols).symbols;
  kernel32();

  /** Calls a function that allocates a table, copies the table, and frees it whatever happens. */
  function table<Row>(
    call: ((family: number, table: BigUint64Array<ArrayBuffer>) => number) | null,
    family: number,
    kind: RowKind<Row>,
  ): TableResult<Row> {
    const address = new BigUint64Array(1);
    const code = call?.(family, address) ?? win32.procNotFound;
    if (code === win32.notFound) return { code: win32.success, rows: [] };
    if (code !== win32.success) return { code, rows: [] };
    try {
      const [count] = new Uint32Array(copyMemory(address[0], 4).buffer);
      const bytes = copyMemory(address[0], mibTable.rows + count * kind.size);
      return { code, rows: readTable(bytes, mibTable.rows, kind) };
    } finally {
      dll.FreeMibTable(address[0]);
    }
  }

  /** The caller gives the buffer: a larger one until the table fits. */
  function udpTable(
    family: typeof AF_INET | typeof AF_INET6,
    size = 65_536,
  ): TableResult<UdpRow> {
    const bytes = new Uint8Array(size);
    const given = Uint32Array.of(size);
    const code = dll.GetExtendedUdpTable?.(bytes, given, 0, family, UDP_TABLE_OWNER_PID, 0) ??
      win32.procNotFound;
    if (code === win32.insufficientBuffer && size < maxUdpTableBytes) {
      return udpTable(family, 2 * size);
    }
    if (code !== win32.success) return { code, rows: [] };
    return { code, rows: readTable(bytes, mibUdpTable.rows, udpRows(family === AF_INET ? 4 : 6)) };
  }

  return {
    hasFlushIpNetTable2: dll.FlushIpNetTable2 !== null,
    flushIpNetTable2: (family) => dll.FlushIpNetTable2?.(family, 0) ?? win32.procNotFound,
    flushIpNetTable: (index) => dll.FlushIpNetTable(index),
    getIpNetTable2: (family) => table(dll.GetIpNetTable2, family, ipNetRows),
    getUnicastIpAddressTable: (family) => table(dll.GetUnicastIpAddressTable, family, unicastRows),
    getIpInterfaceTable: (family) => table(dll.GetIpInterfaceTable, family, interfaceRows),
    getIpForwardTable2: (family) => table(dll.GetIpForwardTable2, family, forwardRows),
    getExtendedUdpTable: (family) => udpTable(family),
    createIpNetEntry2: (row) => dll.CreateIpNetEntry2?.(encodeIpNetRow(row)) ?? win32.procNotFound,
    deleteIpNetEntry2: (row) => dll.DeleteIpNetEntry2?.(encodeIpNetRow(row)) ?? win32.procNotFound,
    getBestInterfaceEx(destination) {
      const index = new Uint32Array(1);
      const code = dll.GetBestInterfaceEx(encodeSockaddrInet(destination, 0), index);
      return code === win32.success ? index[0] : 0;
    },
  };
}

/** Opened on its own: a callback needs the whole FFI permission. */
const notification = {
  parameters: [
    /* ADDRESS_FAMILY Family */ "u16",
    /* PIPINTERFACE_CHANGE_CALLBACK or PUNICAST_IPADDRESS_CHANGE_CALLBACK Callback */ "function",
    /* PVOID CallerContext */ "usize",
    /* BOOLEAN InitialNotification */ "u8",
    /* HANDLE *NotificationHandle */ "buffer",
  ],
  result: /* NETIO_STATUS */ "u32",
  optional: true,
} as const satisfies Deno.ForeignFunction;

const notificationSymbols = {
  NotifyIpInterfaceChange: notification,
  NotifyUnicastIpAddressChange: notification,
} as const satisfies Deno.ForeignLibraryInterface;

/** MIB_NOTIFICATION_TYPE (netioapi.h). */
const MibAddInstance = 1;

/** PIPINTERFACE_CHANGE_CALLBACK, and PUNICAST_IPADDRESS_CHANGE_CALLBACK with another row */
const changeCallback = {
  parameters: [
    /* PVOID CallerContext */ "usize",
    /* PMIB_IPINTERFACE_ROW or PMIB_UNICASTIPADDRESS_ROW Row */ "usize",
    /* MIB_NOTIFICATION_TYPE NotificationType */ "u32",
  ],
  result: "void",
} as const satisfies Deno.UnsafeCallbackDefinition;

/** Of a MIB_UNICASTIPADDRESS_ROW. */
function interfaceIndexAt(row: bigint): number {
  const at = row + BigInt(mibUnicastIpAddressRow.interfaceIndex);
  return new Uint32Array(copyMemory(at, 4).buffer)[0];
}

/** The system may call back as long as the process lives. */
const kept: unknown[] = [];

/**
 * Makes a function that has the system call `changed` when an IP interface or an address of the host
 * comes, goes or changes, for as long as the process lives; with the interface's index when an address
 * came, else with null. The function returns the call that failed and its error, or null;
 * called again it makes the calls that have failed. There is no way to end it:
 * CancelMibChangeNotify2 waits for a callback under way, which waits for us. `changed` runs on the
 * system's time and must not throw. Needs the whole FFI permission, for the callbacks; what it makes
 * needs none.
 */
export function openChangeNotifications(
  changed: (interfaceIndex: number | null) => void,
): () => string | null {
  const dll = Deno.dlopen(systemDll("iphlpapi.dll"), notificationSymbols).symbols;
  kernel32();
  const calls = ["NotifyIpInterfaceChange", "NotifyUnicastIpAddressChange"] as const;
  const missing = new Map(calls.map((call) => {
    const ofAddress = call === "NotifyUnicastIpAddressChange";
    const told = (_context: bigint, row: bigint, type: number) =>
      changed(ofAddress && type === MibAddInstance && row !== 0n ? interfaceIndexAt(row) : null);
    const callback = Deno.UnsafeCallback.threadSafe(changeCallback, told);
    kept.push(callback);
    return [call, callback.pointer];
  }));
  return () => {
    for (const [call, pointer] of missing) {
      const handle = new BigUint64Array(1);
      const code = dll[call]?.(AF_UNSPEC, pointer, 0n, 0, handle) ?? win32.procNotFound;
      if (code !== win32.success) return win32Error(call, code).message;
      missing.delete(call);
    }
    return null;
  };
}
