import assert from "node:assert/strict";
import { pages } from "../../docs/generate.ts";
import { parseSettingsText } from "../../lib/config/file.ts";
import { defaultSettings, settingNames } from "../../lib/config/settings.ts";
import { events } from "../../lib/log/events.ts";
import { decodeAck } from "../../lib/wire/ack.ts";
import { formatAddress, formatLinkLayerAddress } from "../../lib/wire/addresses.ts";
import { isSignedBy } from "../../lib/wire/ed25519_node.ts";
import { createRouterKey, parseKey } from "../../lib/wire/keys.ts";
import {
  hasRightFilter,
  parseRequest,
  requestFilterOf,
  requestHeaderFault,
  requestMessage,
  requestSignatureOf,
} from "../../lib/wire/request.ts";

const page = Deno.readTextFileSync(new URL("../../docs/protocol.md", import.meta.url));

/** The bytes of a hex block: the digits of each line up to its #. */
function example(name: string): Uint8Array {
  const block = new RegExp("```hex " + name + "\n(.*?)```", "s").exec(page);
  assert.ok(block !== null);
  return Uint8Array.fromHex(block[1].replaceAll(/#.*$|\s/gm, ""));
}

const key = createRouterKey(parseKey("public", /`(arpflush-public-\w{43})`/.exec(page)?.[1] ?? ""));

Deno.test("docs/protocol.md: the worked request is genuine and means what it says", () => {
  assert.ok(page.includes(`\`${key.idText}\``));
  const bytes = example("request");
  assert.equal(requestHeaderFault(bytes), null);
  assert.ok(hasRightFilter(bytes, key));
  assert.ok(isSignedBy(key, requestMessage(bytes), requestSignatureOf(bytes)));
  const request = parseRequest(bytes);
  assert.ok(request !== null);
  assert.equal(request.action, "flush all");
  assert.equal(request.sender, "r2");
  assert.equal(request.created, 1700000000005);
  assert.deepEqual(request.addresses.map(formatAddress), ["192.0.2.1"]);
});

Deno.test("docs/protocol.md: the worked ack answers the worked request", () => {
  const request = example("request");
  const decoded = decodeAck(example("ack"), {
    key,
    id: request.slice(20, 36),
    filter: requestFilterOf(request),
    action: "flush all",
    acknowledge: true,
    reportCount: 1,
  });
  assert.ok(typeof decoded === "object");
  const { ack, hostKey, message, signature } = decoded;
  assert.ok(isSignedBy({ publicKey: hostKey }, message, signature));
  assert.equal(ack.status, "flushed");
  assert.equal(ack.host, "SQL01");
  assert.equal(ack.entries, 14);
  assert.equal(ack.micros, 812);
  assert.equal(ack.clock, 1700000000500);
  const [report] = ack.reports;
  assert.equal(formatLinkLayerAddress(report.linkLayerAddress), "02:00:00:00:00:02");
  assert.ok(report.cached && report.gateway);
});

for (const [path, page] of Object.entries(pages)) {
  Deno.test(`${path} is what \`deno task docs\` makes`, () => {
    const text = Deno.readTextFileSync(new URL(`../../${path}`, import.meta.url));
    assert.equal(
      text.replaceAll("\r\n", "\n"),
      page(),
      "write it anew: deno task docs",
    );
  });
}

Deno.test("packaging/arpflush.toml has the defaults, commented out or not", () => {
  const text = pages["packaging/arpflush.toml"]();
  assert.deepEqual(parseSettingsText(text, "arpflush.toml").settings, defaultSettings());
  const uncommented = text.replace(/^#(?=[A-Z])/gm, "");
  const { settings, origins } = parseSettingsText(uncommented, "arpflush.toml");
  assert.deepEqual(settings, defaultSettings());
  for (const name of settingNames) assert.equal(origins[name], "arpflush.toml");
});

Deno.test("docs/windows.md lists every service-specific exit code", async () => {
  const page = await Deno.readTextFile(new URL("../../docs/windows.md", import.meta.url));
  const names = [
    ...["settingsInvalid", "keyMissing", "listenFailed", "cacheUnusable"] as const,
    "unexpectedError",
  ] as const;
  for (const name of names) {
    assert.match(page, new RegExp(`^- ${events[name].id} ${name}: `, "m"));
  }
});

const root = new URL("../../", import.meta.url);

/** The files of a folder of the repository, as paths from its root. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(new URL(folder, root)));
  const all = await Promise.all(
    entries.map(({ name, isDirectory }) =>
      isDirectory ? filesBelow(`${folder}${name}/`) : [`${folder}${name}`]
    ),
  );
  return all.flat();
}

Deno.test("tests/windows/doubles.md lists every double", async () => {
  const text = await Deno.readTextFile(new URL("tests/windows/doubles.md", root));
  const listed = [...text.matchAll(/[\w/]+\.(?:c|ts|ps1)\b/g)].map(([name]) => name);
  const isDouble = async (path: string) =>
    (await Deno.readTextFile(new URL(path, root))).includes("Double of");
  const folders = ["tests/windows/", "tests/unit/"];
  const files = (await Promise.all(folders.map(filesBelow))).flat();
  const found: string[] = [];
  for (const path of files.filter((path) => /\.(?:c|h|ts|ps1)$/.test(path))) {
    if (await isDouble(path)) found.push(path);
  }
  assert.ok(found.length > 8);
  for (const path of found) assert.ok(listed.some((name) => path.endsWith(`/${name}`)), path);
  for (const name of listed) {
    assert.ok(files.some((path) => path.endsWith(`/${name}`)), name);
  }
});

Deno.test("release, workflow, pages and the tests' deno.exe are of one version of Deno", async () => {
  const paths = [".ci/run", ".github/workflows/ci.yml", "README.md", "CONTRIBUTING.md"];
  const texts = await Promise.all(
    [...paths, "tests/windows/wine/setup.sh"].map((path) => Deno.readTextFile(new URL(path, root))),
  );
  const versions = texts.map((text) => /\b(?:deno|win32-x64)@([\d.]+\d)/.exec(text)?.[1]);
  assert.deepEqual(versions, Array(texts.length).fill(versions[0]));
  assert.match(versions[0] ?? "", /^\d+\.\d+\.\d+$/);
});

/** What a page's headings are linked by. */
function anchorsOf(text: string): string[] {
  return Array.from(
    text.matchAll(/^#+ (.*)$/gm),
    ([, heading]) => heading.toLowerCase().replaceAll(/[^\w\- ]/g, "").replaceAll(" ", "-"),
  );
}

const docs = (await filesBelow("docs/")).filter((path) => path.endsWith(".md"));
const paths = ["README.md", "CONTRIBUTING.md", ...docs];

Deno.test("pages name modules that are there", async () => {
  const folders = ["lib/", "packaging/", "tests/", "docs/"];
  const modules = (await Promise.all(folders.map(filesBelow))).flat().concat(
    "send.ts",
    "service.ts",
  );
  let count = 0;
  for (const path of paths) {
    const text = await Deno.readTextFile(new URL(path, root));
    for (const [, name] of text.matchAll(/`([a-z][a-z_/]*\.ts)`/g)) {
      assert.ok(modules.some((module) => `/${module}`.endsWith(`/${name}`)), `${path}: ${name}`);
      count++;
    }
  }
  assert.ok(count > 15);
});

Deno.test("pages link to pages and headings that are there", () => {
  let count = 0;
  for (const path of paths) {
    const page = new URL(path, root);
    for (const [, link] of Deno.readTextFileSync(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      const { href, hash, protocol } = new URL(link, page);
      if (protocol !== "file:") continue;
      const text = Deno.readTextFileSync(new URL(href.replace(/#.*$/, "")));
      const isThere = hash === "" || anchorsOf(text).includes(hash.slice(1));
      assert.ok(isThere, `${path}: no heading for ${link}`);
      count++;
    }
  }
  assert.ok(count > 30);
});
