/**
 * The C library: the few functions that packet and netlink sockets need. Addresses are numbers, and
 * memory is copied by the library's own memmove: Deno's pointer objects need the whole FFI
 * permission, and this needs a path's alone, which is given up once the library is open. Constants
 * and layouts are those of 64-bit Linux, alike on x86-64 and arm64, with glibc and musl.
 */

const int = "i32";
/** ssize_t: everything here is shorter than 2 GiB, so that its lower half is the whole value. */
const length = "i32";

const symbols = {
  socket: {
    parameters: [/* int domain */ int, /* int type */ int, /* int protocol */ int],
    result: int,
  },
  bind: {
    parameters: [
      /* int fd */ int,
      /* const struct sockaddr *addr */ "buffer",
      /* socklen_t */ "u32",
    ],
    result: int,
  },
  getsockname: {
    parameters: [
      /* int fd */ int,
      /* struct sockaddr *addr */ "buffer",
      /* socklen_t * */ "buffer",
    ],
    result: int,
  },
  setsockopt: {
    parameters: [
      /* int fd */ int,
      /* int level */ int,
      /* int optname */ int,
      /* const void *optval */ "buffer",
      /* socklen_t optlen */ "u32",
    ],
    result: int,
  },
  send: {
    parameters: [
      /* int fd */ int,
      /* const void *buf */ "buffer",
      /* size_t */ "usize",
      /* int flags */ int,
    ],
    result: length,
  },
  recv: {
    parameters: [
      /* int fd */ int,
      /* void *buf */ "buffer",
      /* size_t */ "usize",
      /* int flags */ int,
    ],
    result: length,
  },
  /** On a thread of its own: it waits. */
  poll: {
    parameters: [
      /* struct pollfd *fds */ "buffer",
      /* nfds_t */ "usize",
      /* int timeout, ms */ int,
    ],
    result: int,
    nonblocking: true,
  },
  close: { parameters: [/* int fd */ int], result: int },
  if_nametoindex: { parameters: [/* const char *ifname */ "buffer"], result: "u32" },
  addressOf: {
    name: "memmove",
    parameters: [/* void *dest */ "buffer", /* const void *src */ "buffer", /* size_t */ "usize"],
    result: "u64",
  },
  copyFrom: {
    name: "memmove",
    parameters: [/* void *dest */ "buffer", /* const void *src */ "u64", /* size_t */ "usize"],
    result: "u64",
  },
  __errno_location: { parameters: [], result: "u64" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The library's functions. */
export type Libc = Deno.DynamicLibrary<typeof symbols>["symbols"];

/** Where the library is: Debian, Red Hat, Arch, Alpine. deno.json's permission set has the same paths. */
export const libcPaths: readonly string[] = [
  "/lib/x86_64-linux-gnu/libc.so.6",
  "/lib/aarch64-linux-gnu/libc.so.6",
  "/lib64/libc.so.6",
  "/usr/lib/libc.so.6",
  "/lib/ld-musl-x86_64.so.1",
  "/lib/ld-musl-aarch64.so.1",
];

let opened: Libc | undefined;

/**
 * Opens the library once, and gives the FFI permission up: what is open works on. Throws an Error
 * of one line when that isn't permitted or none is found.
 */
export function openLibc(): Libc {
  if (opened !== undefined) return opened;
  if (Deno.build.os !== "linux") throw new Error("Cannot open packet sockets: this is not Linux");
  const isPermitted = (path: string) =>
    Deno.permissions.querySync({ name: "ffi", path }).state === "granted";
  const permitted = libcPaths.filter(isPermitted);
  if (permitted.length === 0) {
    throw new Error("Cannot open the C library: this program has no FFI permission");
  }
  for (const path of permitted) {
    try {
      opened = Deno.dlopen(path, symbols).symbols;
      break;
    } catch {
      // Another distribution's path.
    }
  }
  Deno.permissions.revokeSync({ name: "ffi" });
  if (opened === undefined) throw new Error(`Cannot open the C library at ${permitted.join(", ")}`);
  return opened;
}

/** errno.h's numbers that people meet here. */
const reasons: Readonly<Record<number, string>> = {
  1: "operation not permitted, it needs CAP_NET_RAW",
  6: "no such device",
  12: "out of memory",
  19: "no such device",
  22: "invalid argument",
  97: "address family not supported",
  100: "network is down",
  105: "no buffer space",
};

/** Why the latest call failed, for people. */
export function errorReason(libc: Libc): string {
  const number = new Int32Array(1);
  libc.copyFrom(number, libc.__errno_location(), BigInt(number.byteLength));
  return reasons[number[0]] ?? `error ${number[0]}`;
}

/** A text as `const char *`. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}
