/** The test's end of manager.ts. */
import { linesOf } from "../../support/command.ts";
import type { Command, ServiceState, StateCommand } from "./manager.ts";
import { denoExe, windowsPath, type WineSession } from "./session.ts";

/** A running manager.ts. Commands are done one after the other; a failure rejects with its words. */
export interface Manager {
  run(...command: Command): Promise<unknown>;
  /** A command that is answered with the service's state. */
  state(...command: StateCommand): Promise<ServiceState>;
}

const program = windowsPath("/checkout/tests/windows/wine/manager.ts");
const answerMillis = 60_000;

/** Starts manager.ts in a session; it ends with the session. */
export function startManager(session: WineSession): Manager {
  const child = session.startWine([denoExe, "run", "-q", "-A", "--cached-only", program]);
  const writer = child.stdin.getWriter();
  const answers = linesOf(child.stdout);
  const complaint = new Response(child.stderr).text().catch(() => "");
  let last: Promise<unknown> = Promise.resolve();

  async function ask(command: Command): Promise<unknown> {
    await writer.write(new TextEncoder().encode(`${JSON.stringify(command)}\n`));
    const { promise: late, reject } = Promise.withResolvers<never>();
    const silence = new Error(`No answer to ${command[0]} in ${answerMillis} ms`);
    const timer = setTimeout(() => reject(silence), answerMillis);
    const { value, done } = await Promise.race([answers.next(), late]);
    clearTimeout(timer);
    if (done) throw new Error(`manager.ts ended: ${await complaint}`);
    const { result, error }: { readonly result?: unknown; readonly error?: string } = JSON.parse(
      value,
    );
    if (error !== undefined) throw new Error(`${command[0]}: ${error}`);
    return result;
  }

  function run(...command: Command): Promise<unknown> {
    const asked = last.then(() => ask(command));
    last = asked.catch(() => {});
    return asked;
  }

  return {
    run,
    async state(...command) {
      const answer = await run(...command);
      if (!isServiceState(answer)) throw new Error(`Not a state: ${JSON.stringify(answer)}`);
      return answer;
    },
  };
}

function isServiceState(value: unknown): value is ServiceState {
  return typeof value === "object" && value !== null && "state" in value && "ms" in value;
}
