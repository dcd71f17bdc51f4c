/** PowerShell's engine for tests of install.ps1 (host/), built by the .NET SDK when it has changed. */
import { cachePath, checkoutPath } from "../wine/paths.ts";

const sources = `${checkoutPath}/tests/windows/powershell/host`;
const artifacts = `${cachePath}/powershell`;
/** The reference assemblies of .NET Framework that the project names, where NuGet puts them. */
const referencePackage = "microsoft.netframework.referenceassemblies.net462/1.0.3";
const referenceFolder = "build/.NETFramework/v4.6.2";

/** What a machine lacks for building it, or null. */
export async function missingForHost(): Promise<string | null> {
  const { success } = await output("dotnet", "--version").catch(() => ({ success: false }));
  return success ? null : "the .NET 10 SDK (dotnet)";
}

/** Folders with the built program, for Windows with all it needs and for Linux with the SDK's own .NET. */
export interface BuiltHost {
  readonly windows: string;
  readonly linux: string;
}

/** Builds it unless the last build was of the same sources; half a minute, then nothing. */
export async function buildHost(): Promise<BuiltHost> {
  await Deno.mkdir(artifacts, { recursive: true });
  using lock = await Deno.open(`${artifacts}/lock`, { create: true, write: true });
  await lock.lock(true);
  const built = {
    windows: `${artifacts}/publish/PowerShellHost/release_win-x64`,
    linux: `${artifacts}/publish/PowerShellHost/release_linux-x64`,
  };
  const stamp = await stampOf(sources);
  if (await Deno.readTextFile(`${artifacts}/stamp`).catch(() => "") === stamp) return built;
  for (const kind of [["win-x64", "--self-contained"], ["linux-x64", "--no-self-contained"]]) {
    await dotnet("publish", sources, "-c", "Release", "--artifacts-path", artifacts, "-r", ...kind);
  }
  await Deno.writeTextFile(`${artifacts}/stamp`, stamp);
  return built;
}

/** Facts of a script's syntax tree, see host/Syntax.cs. */
export interface SyntaxFacts {
  readonly errors: readonly string[];
  readonly nodeKinds: readonly string[];
  readonly tokenKinds: readonly string[];
  readonly background: boolean;
  readonly strings: readonly string[];
  readonly numbers: readonly string[];
  readonly functions: readonly { readonly name: string; readonly lines: number }[];
  readonly commands: readonly {
    readonly name: string | null;
    readonly invocation: string;
    readonly text: string;
    readonly line: number;
    readonly function: string | null;
  }[];
  readonly variables: readonly string[];
  readonly replacementBlocks: readonly string[];
  readonly types: readonly { readonly name: string; readonly known: boolean }[];
  readonly members: readonly {
    readonly type: string | null;
    readonly name: string;
    readonly count: number | null;
    readonly known: boolean;
    readonly line: number;
  }[];
  readonly steps: readonly {
    readonly names: readonly string[];
    readonly keys: readonly string[];
  }[];
  readonly parameters: readonly string[];
  readonly help: {
    readonly synopsis: string | null;
    readonly description: string | null;
    readonly parameters: Readonly<Record<string, string>>;
    readonly examples: readonly string[];
  };
}

/** Parses a script with PowerShell's own parser, on Linux. */
export async function readSyntax(script: string): Promise<SyntaxFacts> {
  const { linux } = await buildHost();
  const packages = await dotnet("nuget", "locals", "global-packages", "--list");
  const folder = packages.replace(/^[^:]*:/, "").trim();
  const references = `${folder}/${referencePackage}/${referenceFolder}`;
  return JSON.parse(
    await dotnet(`${linux}/PowerShellHost.dll`, "syntax", script, references),
  );
}

async function dotnet(...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await output("dotnet", ...args);
  const text = new TextDecoder().decode(stdout);
  if (success) return text;
  throw new Error(`Cannot run dotnet ${args[0]}: ${text}${new TextDecoder().decode(stderr)}`);
}

function output(program: string, ...args: string[]): Promise<Deno.CommandOutput> {
  const env = { DOTNET_CLI_TELEMETRY_OPTOUT: "1", DOTNET_NOLOGO: "1" };
  return new Deno.Command(program, { args, env, stdin: "null" }).output();
}

/** A digest of a folder's files. */
async function stampOf(folder: string): Promise<string> {
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
  const texts = await Promise.all(names.map((name) => Deno.readTextFile(`${folder}/${name}`)));
  const bytes = new TextEncoder().encode(texts.join("\0"));
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}
