/** Folders to install from, as an administrator unpacks them: programs, install.ps1, SHA256SUMS. */
import { built } from "../wine/built.ts";
import { compiled } from "../wine/executables.ts";
import { placeStandIn } from "../wine/ip_helper.ts";
import { windowsPath, type WineSession } from "../wine/session.ts";

/** Them, as Windows paths. */
export interface Folders {
  /** Version 0.1.0, in a folder whose name has every letter that could hurt. */
  readonly first: string;
  /** Version 0.2.0 */
  readonly second: string;
  /** Version 0.3.0, whose service ends at once. */
  readonly broken: string;
  /** The same, but it ends at once only when the service control manager starts it. */
  readonly brokenStart: string;
}

const unixFolders: Folders = {
  first: "/tmp/Ünï cödé & [x] 'q' %TEMP% (1)",
  second: "/tmp/second",
  broken: "/tmp/broken",
  brokenStart: "/tmp/broken start",
};

const folders: Folders = {
  first: windowsPath(unixFolders.first),
  second: windowsPath(unixFolders.second),
  broken: windowsPath(unixFolders.broken),
  brokenStart: windowsPath(unixFolders.brokenStart),
};

const [sender, service] = ["arpflush.exe", "arpflush-service.exe"];

/** With small stand-ins for the programs, where a test installs a hundred times. */
export async function layStandIns(session: WineSession): Promise<Folders> {
  const { first, second, broken, brokenStart } = unixFolders;
  await layStandIn(session, first, "0.1.0");
  await layStandIn(session, second, "0.2.0");
  await layStandIn(session, broken, "0.3.0", "-DBROKEN");
  await layStandIn(session, brokenStart, "0.3.0", "-DBROKEN_START");
  return folders;
}

async function layStandIn(session: WineSession, to: string, ...args: string[]): Promise<void> {
  const from = await built(session, "tests/windows/powershell/programs/build.sh", ...args);
  await layFiles(session, from, to, sender, service);
}

/**
 * With the real, compiled programs in two versions, and the stand-in iphlpapi.dll that they need. A
 * broken version is the second one with a service that ends at once.
 */
export async function layCompiled(session: WineSession): Promise<Folders> {
  const { first, second, broken, brokenStart } = unixFolders;
  await placeStandIn(session);
  await layStandIn(session, broken, "0.3.0", "-DBROKEN");
  await layStandIn(session, brokenStart, "0.3.0", "-DBROKEN_START");
  const older = `/checkout/${await compiled("windows-x64")}`;
  const newer = `/checkout/${await compiled("windows-x64", "0.2.0")}`;
  await layFiles(session, older, first, sender, service);
  await layFiles(session, newer, second, sender, service);
  await layFiles(session, newer, broken, sender);
  await layFiles(session, newer, brokenStart, sender);
  return folders;
}

const layScript = `set -e
from=$1; to=$2; shift 2
mkdir -p "$to"
for name in "$@"; do cp "$from/$name" "$to/"; done
cp /checkout/install.ps1 "$to/"
cd "$to"
sha256sum arpflush-service.exe arpflush.exe install.ps1 >SHA256SUMS`;

/** Copies executables of a folder of the session, and lists what is there then. */
async function layFiles(
  session: WineSession,
  from: string,
  to: string,
  ...names: string[]
): Promise<void> {
  const { code, stderr } = await session.unix(["sh", "-c", layScript, "sh", from, to, ...names]);
  if (code !== 0) throw new Error(`Cannot lay out ${to}: ${stderr}`);
}
