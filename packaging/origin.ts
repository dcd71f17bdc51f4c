/** What a release is made of. */
import { runTool } from "./tool.ts";

/** A commit. */
export interface Origin {
  /** Its hash. */
  readonly commit: string;
  /** Its time, in seconds since 1970; all that a release holds gets this date. */
  readonly epoch: number;
  /** Whether files that git knows differ from it. */
  readonly changed: boolean;
}

/** The commit that is checked out in a folder. */
export async function originOf(folder: string): Promise<Origin> {
  const git = (...args: string[]) => runTool("git", args, { cwd: folder });
  const [commit, time] = (await git("log", "-1", "--format=%H %ct")).trim().split(" ");
  const status = await git("status", "--porcelain", "--untracked-files=no");
  return { commit, epoch: Number(time), changed: status !== "" };
}
