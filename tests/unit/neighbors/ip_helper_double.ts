/**
 * Double of iphlpapi.dll's calls, for what no machine does on request: errors, missing exports,
 * tables of any size. Everything else about the cache is the project's own code.
 */
import type { IpHelper } from "../../../lib/win32/iphlpapi.ts";
import {
  AF_INET,
  AF_UNSPEC,
  type ForwardRow,
  type InterfaceRow,
  type IpNetRow,
  type UdpRow,
  type UnicastRow,
} from "../../../lib/win32/netioapi.ts";
import {
  type AddressPrefix,
  formatAddress,
  parseLinkLayerAddress,
  parsePrefix,
  samePrefix,
} from "../../../lib/wire/addresses.ts";

/** The calls that can be made to fail. */
export type Call = Exclude<keyof IpHelper, "hasFlushIpNetTable2">;

/** The double, with what a test sets and looks at. */
export interface IpHelperDouble extends IpHelper {
  rows: IpNetRow[];
  addresses: UnicastRow[];
  interfaces: InterfaceRow[];
  routes: ForwardRow[];
  sockets: UdpRow[];
  /** Who answers when a datagram makes Windows ask: address to link-layer address. */
  answers: Map<string, string>;
  /** What a datagram does to the table: a row, incomplete where nobody answers. */
  sendDatagram: (address: AddressPrefix, link: { interfaceIndex: number }) => Promise<void>;
  /** Error number by call, or by call and its first argument: `getIpNetTable2 2`. */
  readonly faults: Map<string, number>;
  /** Every call with its first argument, in order. */
  readonly calls: string[];
  /** Whether a flush takes permanent rows too. */
  flushTakesPermanent: boolean;
  /** Called before each call: what happens in between. */
  before: (call: Call) => void;
}

/** A row; state 4 is stale, 6 permanent. */
export function row(
  address: string,
  interfaceIndex: number,
  linkLayerAddress = "02:00:00:00:00:01",
  state = 4,
): IpNetRow {
  return {
    address: parsePrefix(address),
    interfaceIndex,
    interfaceLuid: BigInt(interfaceIndex) << 24n,
    physicalAddress: parseLinkLayerAddress(linkLayerAddress) ?? new Uint8Array(),
    state,
  };
}

/** One of the host's own addresses, `192.0.2.5/24`. */
export function own(addressAndLength: string, interfaceIndex: number): UnicastRow {
  const [address, length] = addressAndLength.split("/");
  return {
    address: parsePrefix(address),
    interfaceIndex,
    interfaceLuid: BigInt(interfaceIndex) << 24n,
    onLinkPrefixLength: Number(length),
  };
}

/** A route through a next hop. */
export function route(
  destinationLength: number,
  nextHop: string,
  interfaceIndex: number,
): ForwardRow {
  return { interfaceIndex, destinationLength, nextHop: parsePrefix(nextHop) };
}

function ofFamily(family: number, { address }: { address: AddressPrefix }): boolean {
  return family === AF_UNSPEC || (family === AF_INET ? 4 : 6) === address.family;
}

/** A double with one interface, 12, in 192.0.2.0/24 and 2001:db8::/64. */
export function createIpHelperDouble(
  settings: { withoutFlushIpNetTable2?: boolean } = {},
): IpHelperDouble {
  const faults = new Map<string, number>();
  const calls: string[] = [];

  function enter(call: Call, argument: number | string): number {
    double.before(call);
    calls.push(`${call} ${argument}`);
    return faults.get(`${call} ${argument}`) ?? faults.get(call) ?? 0;
  }

  function flush(isTaken: (row: IpNetRow) => boolean): void {
    double.rows = double.rows.filter((row) =>
      !isTaken(row) || (row.state === 6 && !double.flushTakesPermanent)
    );
  }

  function sameRow(a: IpNetRow, b: IpNetRow): boolean {
    return a.interfaceIndex === b.interfaceIndex && samePrefix(a.address, b.address);
  }

  function table<Row>(call: Call, family: number, rows: () => Row[]) {
    const code = enter(call, family);
    return { code, rows: code === 0 ? rows() : [] };
  }

  const double: IpHelperDouble = {
    rows: [],
    addresses: [own("192.0.2.5/24", 12), own("2001:db8::5/64", 12), own("fe80::5/64", 12)],
    interfaces: [{ family: AF_INET, interfaceIndex: 12, isConnected: true }],
    sockets: [],
    routes: [route(0, "192.0.2.1", 12), route(24, "0.0.0.0", 12)],
    answers: new Map(),
    faults,
    calls,
    flushTakesPermanent: false,
    before: () => {},
    hasFlushIpNetTable2: settings.withoutFlushIpNetTable2 !== true,
    flushIpNetTable2(family) {
      const code = enter("flushIpNetTable2", family);
      if (code === 0) flush((row) => ofFamily(family, row));
      return code;
    },
    flushIpNetTable(index) {
      const code = enter("flushIpNetTable", index);
      if (code === 0) flush((row) => row.address.family === 4 && row.interfaceIndex === index);
      return code;
    },
    getIpNetTable2: (family) =>
      table("getIpNetTable2", family, () => double.rows.filter((row) => ofFamily(family, row))),
    getUnicastIpAddressTable: (family) =>
      table(
        "getUnicastIpAddressTable",
        family,
        () => double.addresses.filter((row) => ofFamily(family, row)),
      ),
    getIpInterfaceTable: (family) =>
      table("getIpInterfaceTable", family, () => [...double.interfaces]),
    getExtendedUdpTable: (family) =>
      table(
        "getExtendedUdpTable",
        family,
        () => double.sockets.filter((row) => ofFamily(family, row)),
      ),
    getIpForwardTable2: (family) =>
      table(
        "getIpForwardTable2",
        family,
        () => double.routes.filter(({ nextHop }) => ofFamily(family, { address: nextHop })),
      ),
    createIpNetEntry2(created) {
      const code = enter("createIpNetEntry2", created.interfaceIndex);
      if (code !== 0) return code;
      if (double.rows.some((row) => sameRow(row, created))) return 5010;
      double.rows.push({ ...created, state: 6 });
      return 0;
    },
    deleteIpNetEntry2(deleted) {
      const code = enter("deleteIpNetEntry2", deleted.interfaceIndex);
      if (code !== 0) return code;
      const left = double.rows.filter((row) => !sameRow(row, deleted));
      const found = left.length < double.rows.length;
      double.rows = left;
      return found ? 0 : 1168;
    },
    async sendDatagram(address, { interfaceIndex }) {
      calls.push(`sendDatagram ${interfaceIndex}`);
      await Promise.resolve();
      const asked = row(formatAddress(address), interfaceIndex, "00:00:00:00:00:00", 1);
      if (double.rows.some((row) => sameRow(row, asked))) return;
      const answer = double.answers.get(formatAddress(address));
      double.rows.push(
        answer === undefined ? asked : row(formatAddress(address), interfaceIndex, answer, 5),
      );
    },
    getBestInterfaceEx: () => enter("getBestInterfaceEx", "") === 0 ? 12 : 0,
  };
  return double;
}
