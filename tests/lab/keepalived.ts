/**
 * Real keepalived on a router. No `use_vmac`: with it the virtual address keeps one link-layer
 * address and there is nothing to heal. The gratuitous ARP settings are keepalived's defaults.
 */
import { type OnLine, start } from "./processes.ts";
import { type ConnectedStation, virtualAddress } from "./segment.ts";

/** The user that keepalived runs scripts as when its configuration names none. */
export const scriptUser = "keepalived_script";

/** Both routers start as backup and don't preempt, so that only a failure moves the address. */
function configuration(router: string, priority: number, notify: string): string {
  return `global_defs {
    router_id ${router}
    enable_script_security
}
vrrp_instance lan {
    state BACKUP
    nopreempt
    interface e0
    virtual_router_id 51
    priority ${priority}
    advert_int 1
    virtual_ipaddress {
        ${virtualAddress}/24
    }
    notify_master "${notify}"
}
`;
}

/**
 * Starts keepalived in the foreground with a priority and what it runs on becoming master. Its log
 * goes to `onLine`, without keepalived's own clock.
 */
export async function startKeepalived(
  { name, namespace }: ConnectedStation,
  { priority, notify }: { priority: number; notify: string },
  onLine: OnLine,
): Promise<void> {
  const base = `/run/lab/${name}`;
  await Deno.writeTextFile(`${base}.conf`, configuration(name, priority, notify));
  const files = ["-f", `${base}.conf`, "-p", `${base}.pid`, "-r", `${base}.vrrp.pid`];
  const options = ["--dont-fork", "--log-console", "--log-detail", "--no-syslog", "--vrrp"];
  start([...namespace.argv, "keepalived", ...options, ...files], (line) => {
    onLine(line.replace(/^\w{3} \w{3} [ \d]\d [\d:]{8} \d{4}: /, ""));
  });
}
