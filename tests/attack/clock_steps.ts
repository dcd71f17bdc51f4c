/**
 * Replays while the host's clock is stepped. The service runs in this process on a real socket, as
 * its clocks have to be in the attack's hand; everything else is the service's own.
 */
import { parseSettingsText } from "../../lib/config/file.ts";
import { defaultSettings } from "../../lib/config/settings.ts";
import { createMemoryCache } from "../../lib/neighbors/memory.ts";
import { startService } from "../../lib/service/running_service.ts";
import { systemAfter, systemClock } from "../../lib/time.ts";
import { parsePrefix } from "../../lib/wire/addresses.ts";
import {
  checkAccounts,
  createFindings,
  datagramsOf,
  type PartOutcome,
  traffic,
} from "./outcome.ts";
import { openGenuineSender } from "./probes.ts";
import type { Random } from "./random.ts";
import { record } from "./replays.ts";
import { pitchCamp } from "./target.ts";
import { createWireTap } from "./wire_tap.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** Longer than an id is remembered: 2 x 60 s + 1 s. */
const forgottenAfterMs = 122_000;

/** At least that many replays, a seventh at each station. */
export async function attackSteppedClock(count: number, random: Random): Promise<PartOutcome> {
  const findings = createFindings();
  await using camp = await pitchCamp(random);
  const { key, port } = camp;
  let passed = 0;
  let stepped = 0;
  const clock = {
    monotonic: () => systemClock.monotonic() + passed,
    wall: () => systemClock.wall() + passed + stepped,
  };
  const settings = {
    ...defaultSettings(),
    Port: port,
    Listen: "127.0.0.1",
    KeyFile: camp.keyPath,
    HoldDownSeconds: 1,
    AllowedSources: [parsePrefix("203.0.113.0/24")],
  };
  const { origins } = parseSettingsText("", "arpflush.toml");
  const service = await startService({
    load: () => ({ settings, origins }),
    configureLog: () => () => {},
    openCache: () => Promise.resolve(createMemoryCache()),
    time: { ...clock, after: systemAfter },
  });
  const tap = createWireTap();
  using router = tap.open("127.0.0.2", port);
  using sender = openGenuineSender(tap, port, key, random, clock.wall);
  const { counted, refused } = service.counters;
  const first = await record(camp, sender, router, random, clock.wall);
  let genuine = first.recordings.length;
  const each = Math.ceil(count / 7);
  let sent = 0;
  let repairs = 0;

  /** Replays, then a genuine request; gives its bytes. */
  async function station(what: string, replay: typeof first.replay): Promise<void> {
    sender.startAnew();
    // Ends what was pending, and makes the sender's clock the host's.
    repairs += Number((await sender.ask()).repaired);
    const before = counted.flushes;
    sent += await replay(each, [router]);
    findings.expect(`Accepted, ${what}`, counted.accepted, sender.requests + genuine);
    findings.expect(`Flushes, ${what}`, counted.flushes, before);
    const { ack } = await sender.ask();
    if (ack.status !== "flushed") findings.fault(`A genuine request got ${ack.status}, ${what}`);
    findings.expect(`Flushes of one genuine request, ${what}`, counted.flushes, before + 1);
  }

  await station("before any step", first.replay);
  stepped = -hourMs;
  await station("an hour back", first.replay);
  passed += forgottenAfterMs;
  await station("an hour back, ids forgotten", first.replay);
  stepped = 0;
  await station("forward again", first.replay);
  stepped = dayMs;
  await station("a day forward", first.replay);
  sender.startAnew();
  const ahead = await record(camp, sender, router, random, clock.wall);
  genuine += ahead.recordings.length;
  await station("recorded a day ahead", ahead.replay);
  passed += forgottenAfterMs;
  stepped = 0;
  await station("back from a day ahead, ids forgotten", ahead.replay);
  await service.stop();

  const datagrams = tap.accounts.reduce((sum, account) => sum + account.sent, 0);
  const { accepted, repeated, stale } = counted;
  findings.expect("Accepted, repeated and stale", accepted + repeated + stale, datagrams);
  const refusals = Object.values(refused).reduce((sum, one) => sum + one, 0);
  findings.expect("Refused", refusals, 0);
  checkAccounts(tap.accounts, findings);
  return {
    part: "replays, clock stepped (service in the attack's process)",
    sent,
    datagrams: datagramsOf(tap.accounts),
    figures: { repeated, stale, repairs, ...traffic(tap.accounts) },
    faults: findings.faults,
  };
}
