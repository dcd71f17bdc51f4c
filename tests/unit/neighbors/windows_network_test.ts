import assert from "node:assert/strict";
import {
  createChangeDetector,
  readOwnAddresses,
  readPortOwners,
} from "../../../lib/neighbors/windows_network.ts";
import { AF_INET } from "../../../lib/win32/netioapi.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import { createIpHelperDouble, own } from "./ip_helper_double.ts";

const connected = { family: AF_INET, interfaceIndex: 13, isConnected: true };

Deno.test("createChangeDetector() names the interfaces that were added, connected or got an address", () => {
  const double = createIpHelperDouble();
  const { note, changed: detect } = createChangeDetector(double);
  const [first] = double.interfaces;
  assert.deepEqual(detect(), [], "a change of a parameter");

  double.interfaces = [first, { ...connected, isConnected: false }];
  assert.deepEqual(detect(), [], "added, but not connected");
  double.interfaces = [first, connected];
  assert.deepEqual(detect(), [13]);
  assert.deepEqual(detect(), []);
  double.interfaces = [connected];
  assert.deepEqual(detect(), [], "gone");
  double.interfaces = [first, connected];
  assert.deepEqual(detect(), [12], "back again");

  double.addresses.push(own("198.51.100.5/24", 13), own("2001:db8:1::5/64", 13));
  assert.deepEqual(detect(), [13]);
  double.addresses.pop();
  assert.deepEqual(detect(), []);
  note(13);
  assert.deepEqual(
    detect(),
    [13],
    "an address that came and was gone or had been there before the look",
  );
  assert.deepEqual(detect(), []);
});

Deno.test("createChangeDetector() takes a table that can't be read as unchanged", () => {
  const double = createIpHelperDouble();
  const { changed: detect } = createChangeDetector(double);
  double.faults.set("getIpInterfaceTable", 127).set("getUnicastIpAddressTable", 8);
  assert.deepEqual(detect(), []);
  double.faults.clear();
  assert.deepEqual(detect(), []);
});

Deno.test("readOwnAddresses() gives each address with its network and interface", () => {
  const double = createIpHelperDouble();
  double.addresses = [own("192.0.2.5/24", 12), own("fe80::5/64", 13)];
  assert.deepEqual(readOwnAddresses(double), [
    { address: "192.0.2.5", cidr: "192.0.2.5/24", scopeid: 12 },
    { address: "fe80::5", cidr: "fe80::5/64", scopeid: 13 },
  ]);
  double.faults.set("getUnicastIpAddressTable", 8);
  assert.throws(() => readOwnAddresses(double), /GetUnicastIpAddressTable.*\(8\)/);
});

Deno.test("readPortOwners() names the other processes on a port, of the families there are", () => {
  const double = createIpHelperDouble();
  const socket = (address: string, port: number, pid: number) => ({
    address: parsePrefix(address),
    port,
    pid,
  });
  const [other, own, elsewhere, ipv6] = [
    socket("0.0.0.0", 27735, 7),
    socket("0.0.0.0", 27735, 4),
    socket("0.0.0.0", 53, 7),
    socket("::", 27735, 8),
  ];
  double.sockets = [other, own, elsewhere, ipv6];
  assert.deepEqual(readPortOwners(double, 27735, 4), [other, ipv6]);
  double.faults.set("getExtendedUdpTable 23", 50);
  assert.deepEqual(readPortOwners(double, 27735, 4), [other]);
  double.faults.set("getExtendedUdpTable 2", 5);
  assert.throws(() => readPortOwners(double, 27735, 4), /GetExtendedUdpTable\(2\).*\(5\)/);
});
