/**
 * Double of the server that Deno fetches base runtimes from, and of the way to it: a proxy which
 * takes whatever host it is asked for as that server, under a certificate of its own.
 */
import { run } from "../support/command.ts";

/** A running server. */
interface ReleaseServer extends AsyncDisposable {
  /** What a program has in its environment to be led to it. */
  readonly env: Readonly<Record<string, string>>;
  /** The hosts that were asked for, each once. */
  readonly hosts: readonly string[];
  /** The paths that were asked for, in order. */
  readonly paths: readonly string[];
}

/** Starts the server; `fileOf` is the file that is served for a path, or null. Needs openssl. */
export async function startReleaseServer(
  fileOf: (path: string) => string | null,
): Promise<ReleaseServer> {
  const folder = await Deno.makeTempDir({ prefix: "arpflush-releases-" });
  const hosts: string[] = [];
  const paths: string[] = [];
  const authority = await certify(folder, "authority", ["-addext", "keyUsage=keyCertSign"]);
  let server: Deno.HttpServer<Deno.NetAddr> | null = null;

  async function serve(host: string): Promise<Deno.HttpServer<Deno.NetAddr>> {
    const { certificate, key } = await certify(folder, "server", [
      ...["-CA", authority.certificate, "-CAkey", authority.key],
      ...["-addext", `subjectAltName=DNS:${host}`, "-addext", "basicConstraints=critical,CA:FALSE"],
    ]);
    const options = {
      hostname: "127.0.0.1",
      port: 0,
      cert: await Deno.readTextFile(certificate),
      key: await Deno.readTextFile(key),
      onListen() {},
    };
    return Deno.serve(options, async (request) => {
      const { pathname } = new URL(request.url);
      paths.push(pathname);
      const file = fileOf(pathname);
      if (file === null) return new Response(null, { status: 404 });
      return new Response((await Deno.open(file)).readable);
    });
  }

  const proxy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  async function tunnel(client: Deno.TcpConn): Promise<void> {
    const host = hostOf(await readHead(client));
    if (!hosts.includes(host)) hosts.push(host);
    server ??= await serve(host);
    const upstream = await Deno.connect({ ...server.addr, transport: "tcp" });
    await client.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n"));
    await Promise.allSettled([
      client.readable.pipeTo(upstream.writable),
      upstream.readable.pipeTo(client.writable),
    ]);
  }
  const accepting = (async () => {
    for await (const client of proxy) tunnel(client);
  })();

  return {
    env: {
      HTTPS_PROXY: `http://127.0.0.1:${proxy.addr.port}`,
      DENO_CERT: authority.certificate,
    },
    hosts,
    paths,
    async [Symbol.asyncDispose]() {
      proxy.close();
      await accepting;
      await server?.shutdown();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Makes a key and a certificate for a day; the files. */
async function certify(folder: string, name: string, options: readonly string[]) {
  const certificate = `${folder}/${name}.pem`;
  const key = `${folder}/${name}.key`;
  await run([
    ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
    ...["-nodes", "-days", "1", "-subj", `/CN=ArpFlush's test: ${name}`],
    ...["-out", certificate, "-keyout", key, ...options],
  ]);
  return { certificate, key };
}

/** What a client of the proxy says first, up to the empty line. */
async function readHead(client: Deno.TcpConn): Promise<string> {
  let head = "";
  const buffer = new Uint8Array(1024);
  while (!head.endsWith("\r\n\r\n")) {
    const count = await client.read(buffer);
    if (count === null) throw new Error(`The proxy was left at "${head}"`);
    head += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return head;
}

function hostOf(head: string): string {
  const host = /^CONNECT ([a-z0-9.-]+):443 /.exec(head)?.[1];
  if (host === undefined) throw new Error(`The proxy was asked for "${head}"`);
  return host;
}
