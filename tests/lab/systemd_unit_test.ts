/** The units of packaging/ under a systemd that has booted, with all that they take away. */
import assert from "node:assert/strict";
import { pack } from "../../packaging/pack.ts";
import { inFolder, isInstalled } from "../support/command.ts";
import { runScript, sectionsOf } from "./apart.ts";

const ignore = !await isInstalled("systemd-nspawn", "systemctl");

/** Runs a script that boots systemd, and gives what it says, section by section. */
function sectionsFrom(script: string): Promise<ReturnType<typeof sectionsOf>> {
  return inFolder(async (folder) => {
    await pack(`${folder}/arpflush`);
    const { code, stdout, stderr } = await runScript(script, [`${folder}/arpflush`], 120);
    assert.equal(code, 0, stdout + stderr);
    return sectionsOf(stdout);
  });
}

const name = "arpflush.service starts, heals, reloads, comes back and stops under systemd";
Deno.test({ name, ignore }, async () => {
  const healed = "Flush: 1 copy to 192.0.2.255; 1 host answered: 1 healed";
  const alive = "Probe: 1 copy to 192.0.2.255; 1 host answered: 1 alive";
  // CAP_NET_ADMIN is capability 12; filters of system calls are mode 2.
  assert.deepEqual(await sectionsFrom("systemd_unit.sh"), {
    "started": [
      ...["enabled", "active"],
      ...["CapEff:\t0000000000001000", "CapBnd:\t0000000000001000"],
      ...["NoNewPrivs:\t1", "Seccomp:\t2"],
      ...["700 root /var/lib/arpflush", "600 root /var/lib/arpflush/host-key"],
    ],
    "healed": [healed],
    "reloaded with a new key and metrics": [healed, "644 /run/arpflush/arpflush.prom"],
    "kept the old settings": [
      "active",
      "the old ones stay: arpflush.toml: Port: 0 is not a whole number from 1 to 65535",
      alive,
    ],
    "killed": ["the same key"],
    "stopped": ["inactive", "0"],
    "not started again with settings that others can change": ["refused", "failed", "2", "0"],
  });
});

Deno.test({
  name: "arpflush-router.service is set up, heals, and comes back when it is killed or hangs",
  ignore,
  async fn() {
    const rights = ["CapEff", "CapBnd", "CapAmb"].map((name) => `${name}:\t0000000000002000`);
    const stuck = "host STUCK 192.0.2.1 at 02:00:00:00:00:99";
    assert.deepEqual(await sectionsFrom("router_unit.sh"), {
      "set up": [
        "active",
        "755 root /run/arpflush",
        "600 arpflush-router /run/arpflush/notify.fifo",
        "755 arpflush-router /run/arpflush-router",
        "666 arpflush-router /run/arpflush-router/follow.sock",
        ...rights,
        ...["NoNewPrivs:\t1", "Seccomp:\t2"],
        "arpflush-router",
      ],
      "healed": [
        "INSTANCE lan is MASTER: a flush on host0, which has 192.0.2.1 now",
        // The probe at the start is no drill.
        'run="failover"',
      ],
      "drilled": [
        ...["RUN             EXIT  SECONDS  HOSTS", "drill              0      S  1 alive"],
        ...["failover host0     0      S  1 healed"],
        'arpflush_run_exit_code{run="failover"}',
        'arpflush_run_exit_code{run="drill"}',
        "arpflush_router_heartbeat_timestamp_seconds",
        ...["644 arpflush-router", "644 arpflush-router", "active"],
      ],
      "killed": ["back at once", `At the start something is wrong on host0: ${stuck}`],
      "hung": ["2"],
      "a script beside it, and without it": [
        "arpflush: Nothing sent: a process that follows keepalived does it",
        "Flush: 1 copy to 192.0.2.255; 1 host answered: 1 healed",
      ],
      "asked, without a service": [
        ...["1 host was asked: 1 healed", "192.0.2.100 host0", "644 arpflush-router"],
      ],
      "a key that can not be used": ["refused", "failed"],
    });
  },
});
