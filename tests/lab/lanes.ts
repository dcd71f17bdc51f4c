/** The hosts of the lab side by side: the one table that says what each is and must do. */
import { type OnLine, start } from "./processes.ts";
import { type ConnectedStation, type Station, stationAt } from "./segment.ts";
import { prepareWindows, startWindowsService, windowsLack } from "./windows_service.ts";

/** One host, drawn as one lane. */
export interface Lane {
  /** The letter it is known by in tables and in the picture. */
  readonly id: string;
  readonly title: string;
  readonly station: Station;
  readonly ignoresGratuitousArp: boolean;
  /** Starts what heals it; null: nothing does. It says a line when it is up and for each flush. */
  readonly startService: ((host: ConnectedStation, onLine: OnLine) => void | Promise<void>) | null;
  /** What both failovers must do to it. */
  readonly expected: "heals" | "stays stuck";
  /** What this lane needs besides what the lab does. @default nothing */
  readonly needs?: LaneNeeds;
}

/** What a lane needs of the machine. */
export interface LaneNeeds {
  /** What the machine lacks for it, in words, or null. */
  readonly lack: () => Promise<string | null>;
  /** What must be done before the lab is entered. */
  readonly prepare: () => Promise<void>;
}

/** The folder as a host has it, the default settings, the kernel's own table. */
function startLinuxService({ namespace }: ConnectedStation, onLine: OnLine): void {
  start([...namespace.argv, "/opt/arpflush/arpflush-service"], onLine);
}

/** All lanes, in the picture's order. */
export const lanes: readonly Lane[] = [
  {
    id: "a",
    title: "Ignores gratuitous ARP",
    station: stationAt(21, "host-a"),
    ignoresGratuitousArp: true,
    startService: null,
    expected: "stays stuck",
  },
  {
    id: "b",
    title: "Ignores gratuitous ARP, with ArpFlush",
    station: stationAt(22, "host-b"),
    ignoresGratuitousArp: true,
    startService: startLinuxService,
    expected: "heals",
  },
  {
    id: "c",
    title: "Accepts gratuitous ARP",
    station: stationAt(23, "host-c"),
    ignoresGratuitousArp: false,
    startService: null,
    expected: "heals",
  },
  {
    id: "d",
    title: "Ignores it, ArpFlush for Windows (Wine)",
    station: stationAt(24, "host-d"),
    ignoresGratuitousArp: true,
    startService: startWindowsService,
    expected: "heals",
    needs: { lack: windowsLack, prepare: prepareWindows },
  },
];

/** The lane whose outages are measured, and the one they are measured against. */
export const compared = { lane: "b", with: "c" } as const;

/** The lanes that this machine can do, and a line for each of the others that says why not. */
export async function lanesHere(
  all: readonly Lane[] = lanes,
): Promise<{ here: readonly Lane[]; leftOut: readonly string[] }> {
  const lacks = await Promise.all(all.map(({ needs }) => needs?.lack() ?? null));
  return {
    here: all.filter((_, i) => lacks[i] === null),
    leftOut: all.flatMap(({ id }, i) =>
      lacks[i] === null ? [] : [`Lane ${id} is left out: this machine lacks ${lacks[i]}`]
    ),
  };
}
