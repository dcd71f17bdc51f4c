/** What sc.exe, netsh.exe, icacls.exe and wevtutil.exe are told, byte by byte. */
import assert from "node:assert/strict";
import { linesOf, missingForInstaller, openInstaller } from "./installer.ts";

const missing = await missingForInstaller();
if (missing !== null) console.log(`Skipped, this machine lacks ${missing}`);

const system32 = String.raw`C:\windows\system32`;
const sc = String.raw`sc "${system32}\sc.exe"`;
const icacls = String.raw`icacls "${system32}\icacls.exe"`;
const netsh = String.raw`netsh "${system32}\netsh.exe"`;
const wevtutil = String.raw`wevtutil "${system32}\wevtutil.exe"`;

const created = [
  String.raw`${sc} create ArpFlush type= own start= auto error= normal binPath= ` +
  String.raw`"\"C:\Program Files\ArpFlush\arpflush-service.exe\"" obj= LocalSystem ` +
  `DisplayName= ArpFlush depend= Tcpip`,
  `${sc} description ArpFlush ` +
  `"Flushes the neighbor (ARP) cache when a router asks for it after a failover."`,
  `${sc} failure ArpFlush reset= 86400 actions= restart/5000/restart/5000/restart/60000`,
  `${sc} failureflag ArpFlush 1`,
  `${sc} sidtype ArpFlush unrestricted`,
  `${sc} privs ArpFlush SeChangeNotifyPrivilege`,
];

function ruleAdded(port: number, remote: string): string {
  return `${netsh} advfirewall firewall add rule name=ArpFlush dir=in action=allow protocol=UDP ` +
    `localport=${port} remoteip=${remote} profile=any ` +
    String.raw`"program=C:\Program Files\ArpFlush\arpflush-service.exe" ` +
    `"description=Requests to ArpFlush: UDP ${port} from ${remote}" enable=yes`;
}

const ruleDeleted = `${netsh} advfirewall firewall delete rule name=ArpFlush dir=in`;

const installed = [
  String.raw`${icacls} C:\ProgramData\ArpFlush /setowner *S-1-5-32-544 /Q`,
  String.raw`${icacls} C:\ProgramData\ArpFlush /reset /Q`,
  String.raw`${icacls} C:\ProgramData\ArpFlush /inheritance:r /grant:r ` +
  `*S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F /Q`,
  String.raw`${icacls} C:\ProgramData\ArpFlush\key.new /setowner *S-1-5-32-544 /Q`,
  String.raw`${icacls} C:\ProgramData\ArpFlush\key.new /reset /Q`,
  String.raw`${icacls} C:\ProgramData\ArpFlush\key.new /inheritance:r /grant:r ` +
  `*S-1-5-18:F *S-1-5-32-544:F /Q`,
  ...created,
  ruleAdded(27735, "LocalSubnet"),
  `${sc} start ArpFlush`,
  `${wevtutil} qe Application /q:*[System[Provider[@Name='ArpFlush']]] /c:5 /rd:true /f:xml ` +
  `/e:Events`,
];

const removed = [
  `${sc} stop ArpFlush`,
  ruleDeleted,
  `${sc} delete ArpFlush`,
];

/** How often the state is asked for depends on time. */
function withoutQueries(calls: readonly string[]): string[] {
  return calls.filter((call) => call !== `${sc} query ArpFlush`);
}

/** Removing it leaves the folder of the key, which is protected already. */
const installedAgain = installed.slice(6);

Deno.test("install.ps1 tells Windows' programs the same under every rule of argument passing", {
  ignore: missing !== null,
}, async () => {
  await using installer = await openInstaller();
  const reports = await installer.run(
    ...(["Legacy", "Standard", "Windows"] as const).flatMap((argumentPassing) => [
      { parameters: { Action: "install", Verbose: true }, argumentPassing },
      { parameters: { Action: "uninstall", Verbose: true }, argumentPassing },
    ]),
  );
  for (const { exitCode } of reports) assert.equal(exitCode, 0);
  const calls = await installer.calls();
  assert.deepEqual(withoutQueries(calls), [
    ...[...installed, ...removed],
    ...[...installedAgain, ...removed],
    ...[...installedAgain, ...removed],
  ]);
  const told = reports.flatMap((report) => linesOf(report, "verbose"))
    .filter((line) => line.startsWith(system32));
  const asRun = calls.map((call) => call.replace(/^\w+ "([^"]*)"/, "$1"));
  assert.deepEqual(told, asRun, "-Verbose shows each command line as run");
});

Deno.test("install.ps1 makes the firewall rule follow port and sources", {
  ignore: missing !== null,
}, async () => {
  await using installer = await openInstaller();
  const sources = ["192.0.2.0/24", "2001:db8::/32"];
  await installer.run(
    { parameters: { Action: "install", Port: 40000, AllowedSources: sources } },
    { parameters: { Action: "upgrade", Port: 40001 } },
    { parameters: { Action: "upgrade", AllowedSources: ["0.0.0.0/0"] } },
    { parameters: { Action: "upgrade", AllowedSources: ["on-link"] } },
  );
  const calls = (await installer.calls()).filter((call) => call.startsWith("netsh "));
  assert.deepEqual(calls, [
    ruleAdded(40000, sources.join(",")),
    ruleDeleted,
    ruleAdded(40001, sources.join(",")),
    ruleDeleted,
    ruleAdded(40001, "any"),
    ruleDeleted,
    ruleAdded(40001, "LocalSubnet"),
  ]);
});
