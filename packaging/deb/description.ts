/** What the two packages say about themselves. */

/** One package. */
export interface Description {
  /** As the program that it carries. */
  readonly name: "arpflush" | "arpflush-service";
  /** The folder of the command, and the section of its manual page. */
  readonly commandFolder: "bin" | "sbin";
  readonly manual: string;
  /** Fields of the control file as they are. */
  readonly fields: Readonly<Record<string, string>>;
  readonly maintainerScripts: readonly ("postinst" | "prerm" | "postrm")[];
  /** From files of the folder for routers to where they are installed. */
  readonly configuration: Readonly<Record<string, string>>;
  readonly examples: readonly string[];
}

/** What Deno's executable is linked against: by `objdump -T`, up to GLIBC_2.27 and GCC_4.2. */
const runtimeNeeds = "libc6 (>= 2.27), libgcc-s1";

/** Both. */
export const descriptions: readonly Description[] = [
  {
    name: "arpflush",
    commandFolder: "bin",
    manual: "arpflush.1",
    fields: {
      Depends: runtimeNeeds,
      Suggests: "keepalived",
      Description: `make hosts flush their neighbor caches after a VRRP failover
 Some hosts keep sending to a router that is gone: they ignore gratuitous ARP
 and hold on to a stale neighbor (ARP) entry. The sender runs on the routers,
 from keepalived's notify_master. It asks every host that runs the service for
 a flush, by a signed datagram, and reports host by host what healed and what
 is stuck.
 .
 This package is for routers; hosts need arpflush-service.`,
    },
    maintainerScripts: ["postrm"],
    configuration: {},
    examples: ["keepalived.conf"],
  },
  {
    name: "arpflush-service",
    commandFolder: "sbin",
    manual: "arpflush-service.8",
    fields: {
      Depends: `${runtimeNeeds}, iproute2`,
      Description: `flush this host's neighbor cache on authenticated request
 Some hosts keep sending to a router that is gone: they ignore gratuitous ARP
 and hold on to a stale neighbor (ARP) entry. The service runs on the hosts. It
 flushes the neighbor cache when an authentic datagram asks for it, has the
 router's addresses resolved anew, and answers with what it found.
 .
 This package is for hosts; routers need arpflush.`,
    },
    maintainerScripts: ["postinst", "prerm", "postrm"],
    configuration: { "arpflush.toml": "etc/arpflush/arpflush.toml" },
    examples: ["arpflush.nft", "arpflush.rules.yml"],
  },
];
