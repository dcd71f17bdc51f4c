/**
 * A stand-in for `ip` over a table in memory, with its texts as iproute2 6.1 prints them: what
 * happens in the kernel's own table between two commands, and when, can't be arranged.
 */
import type { IpCommand } from "../../../lib/neighbors/iproute2.ts";

/** A row as `ip -json neigh show` prints it. */
export interface Row {
  readonly dst: string;
  readonly dev: string;
  readonly lladdr?: string;
  readonly state?: readonly string[];
  readonly extern_learn?: null;
}

export interface IpDouble {
  readonly ip: IpCommand;
  /** Every command that ran. */
  readonly commands: string[];
  rows: Row[];
  /** What `route get` prints for an address, without dst; null: no route. */
  route: (dst: string) => Record<string, unknown> | null;
  /** What `route show table all` prints. */
  tables: readonly Record<string, unknown>[];
  /** Puts a row in the place of the one at the same address and interface. */
  set(row: Row): void;
  remove(dst: string, dev: string): void;
  /** Called before a command runs; a text is what `ip` complains of in its place. */
  before: (command: string) => string | void;
}

const isSet = ({ state = [] }: Row) => state.includes("PERMANENT") || state.includes("NOARP");

export function createIpDouble(...rows: Row[]): IpDouble {
  const double: IpDouble = {
    rows,
    commands: [],
    route: (dst) => ({ dev: dst.includes(":") ? "e1" : "e0" }),
    tables: [],
    before: () => {},
    set(row) {
      double.remove(row.dst, row.dev);
      double.rows.push(row);
    },
    remove(dst, dev) {
      double.rows = double.rows.filter((row) => row.dst !== dst || row.dev !== dev);
    },
    async ip(args, input, next) {
      let stdout = "", stderr = "";
      let ended = false;
      const run = (commands: string) => {
        for (const command of commands.split("\n").filter((line) => line !== "")) {
          if (ended) return;
          double.commands.push(command);
          const complaint = double.before(command) ?? execute(command);
          if (complaint === undefined) continue;
          // A neighbor that can't be changed ends the real one there and then, in spite of -force.
          ended = /^neigh (add|del) /.test(command) && complaint.startsWith("RTNETLINK");
          stderr += `${complaint}\n${ended ? "" : "Command failed -:1\n"}`;
        }
      };
      const execute = (command: string): string | void => {
        if (command.startsWith("route get ")) {
          const dst = command.split(" ")[2];
          const route = double.route(dst);
          if (route === null) return "RTNETLINK answers: Network is unreachable";
          stdout += `${JSON.stringify([{ dst, ...route }])}\n`;
          return;
        }
        if (command.startsWith("route show ")) {
          return void (stdout += `${JSON.stringify(double.tables)}\n`);
        }
        if (command.startsWith("link show ")) return void (stdout += '[{"ifname":"lo"}]\n');
        // neigh del 192.0.2.1 dev e0; neigh flush to 192.0.2.1; neigh show nud all
        const [, what, at, argument, device] = command.split(" ");
        const { rows } = double;
        if (what === "show") {
          // The filter by state passes rows of a routing program whatever their state.
          const shown = argument === "all"
            ? rows
            : rows.filter((row) => !row.state?.includes("NOARP") || "extern_learn" in row);
          stdout += `${JSON.stringify(shown)}\n`;
        } else if (what === "flush") {
          const isHit = (row: Row) =>
            (at === "all" || row.dst === argument) && ("extern_learn" in row || !isSet(row));
          const removed = rows.filter(isHit);
          double.rows = rows.filter((row) => !isHit(row));
          stdout += removed.length === 0
            ? "Nothing to flush.\n"
            : `\n*** Round 1, deleting ${removed.length} entries ***\n` +
              "*** Flush is complete after 1 round ***\n";
        } else {
          const known = rows.some((row) => row.dst === at && row.dev === device);
          if (what === "add" && known) return "RTNETLINK answers: File exists";
          if (what === "add") double.set({ dst: at, dev: device, state: ["INCOMPLETE"] });
          if (what === "del" && !known) return "RTNETLINK answers: No such file or directory";
          if (what === "del") double.remove(at, device);
        }
      };
      if (args.includes("-batch")) {
        run(input);
        await Promise.resolve();
        for (const text of next?.(stdout.split("\n", 1)[0]) ?? []) run(text);
      } else run(args.join(" "));
      return { code: stderr === "" ? 0 : ended ? 2 : 1, stdout, stderr };
    },
  };
  return double;
}
