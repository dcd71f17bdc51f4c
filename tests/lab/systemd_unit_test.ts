/** packaging/arpflush.service under a systemd that has booted, with all that the unit takes away. */
import assert from "node:assert/strict";
import { pack } from "../../packaging/pack.ts";
import { isInstalled, outcomeOf } from "../support/command.ts";
import { sectionsOf } from "./machines.ts";

const ignore = !await isInstalled("systemd-nspawn", "systemctl");

const name = "arpflush.service starts, heals, reloads, comes back and stops under systemd";
Deno.test({ name, ignore }, async () => {
  const folder = await Deno.makeTempDir({ prefix: "arpflush-systemd-" });
  try {
    await pack(`${folder}/arpflush`);
    const script = `${import.meta.dirname}/systemd_unit.sh`;
    const { code, stdout, stderr } = await outcomeOf([
      ...["unshare", "--net", "--uts", "--mount", "--pid", "--fork", "--kill-child"],
      ...["--mount-proc", "bash", script, `${folder}/arpflush`],
    ], { signal: AbortSignal.timeout(120_000) });
    const healed = "Flush: 1 copy to 192.0.2.255; 1 host answered: 1 healed";
    const alive = "Probe: 1 copy to 192.0.2.255; 1 host answered: 1 alive";
    // CAP_NET_ADMIN is capability 12; filters of system calls are mode 2.
    assert.deepEqual(sectionsOf(stdout), {
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
    }, stderr);
    assert.equal(code, 0, stderr);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
