/** A service over real sockets, with the cache in memory and time that the test advances. */
import { parseSettingsText } from "../../../lib/config/file.ts";
import { defaultSettings, type Settings } from "../../../lib/config/settings.ts";
import type { NeighborCache } from "../../../lib/neighbors/neighbor_cache.ts";
import { type ServiceParts, startService } from "../../../lib/service/running_service.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import { createRouter } from "../../support/datagrams.ts";
import { createTestTime } from "../../support/test_time.ts";
import { keepReport, notingCache } from "../receiver/harness.ts";

/** The router that it obeys. */
export const oldRouter = createRouter(11);
export const { origins } = parseSettingsText("", "arpflush.toml");

/** What a test gives the service in the place of what it has. */
interface Changes extends Partial<ServiceParts> {
  readonly cache?: NeighborCache;
}

/** What a service on loopback is started with: its settings, keys and network can be changed. */
export function createParts(changes: Partial<Settings> = {}, { cache, ...given }: Changes = {}) {
  const time = createTestTime(Date.now());
  const kept = keepReport();
  const noted = notingCache();
  const levels: string[] = [];
  let settings: Settings = {
    ...defaultSettings(),
    Listen: [parsePrefix("127.0.0.1")],
    Port: 0,
    RouterKeys: [oldRouter.publicText],
    ...changes,
  };
  let readings = 0;
  const parts: ServiceParts = {
    load: () => ({ settings, origins }),
    configureLog: ({ LogLevel }) => (levels.push(LogLevel), kept.report),
    openCache: () => Promise.resolve(cache ?? noted.cache),
    readAddresses: () => (readings++, []),
    time,
    ...given,
  };
  return {
    ...kept,
    ...noted,
    time,
    levels,
    parts,
    readings: () => readings,
    names: () => kept.said.map(({ event }) => event),
    set: (given: Partial<Settings>) => void (settings = { ...settings, ...given }),
  };
}

/** Starts it. */
export async function start(changes: Partial<Settings> = {}, given: Changes = {}) {
  const created = createParts(changes, given);
  return { ...created, service: await startService(created.parts) };
}
