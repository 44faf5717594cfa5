import type { Exit, Program } from "../api";
import { visible } from "../visible";
import { Icon } from "./icon";

const STATES: Record<string, [string, string]> = {
  open: ["live", "Live"],
  recovered: ["warn", "Recovered"],
  damaged: ["bad", "Damaged"],
  unfinished: ["warn", "Unfinished"],
};

/** The state of a log, where it is not simply complete. */
export function State({ state, live }: { state: string; live?: boolean }) {
  const known = STATES[live ? "open" : state];
  if (!known) return state === "complete" ? null : <span class="badge">{visible(state)}</span>;
  return (
    <span class={`badge ${known[0]}`}>
      {known[0] === "live" && <span class="dot" aria-hidden="true" />}
      {known[1]}
    </span>
  );
}

/** How a program ended. */
export function ExitBadge({ exit }: { exit: Exit }) {
  const text = exitText(exit);
  if (text === null) return null;
  const good = exit !== null && "status" in exit && exit.status === 0;
  return <span class={`badge ${good ? "good" : "warn"}`}>{text}</span>;
}

/** The same in words. */
export function exitText(exit: Exit): string | null {
  if (exit === null) return null;
  if ("status" in exit) return `exit ${exit.status}`;
  return "signal" in exit ? visible(exit.signal) : null;
}

/** What ran. */
export function What({ program }: { program: Pick<Program, "what" | "command"> }) {
  if (program.what === "shell") {
    return (
      <span class="what shell">
        <Icon name="prompt" /> shell
      </span>
    );
  }
  if (program.what === "subsystem") {
    return (
      <span class="what subsystem">
        <Icon name="file" /> {visible(program.command ?? "subsystem")}
      </span>
    );
  }
  return <code class="what">{visible(program.command ?? "")}</code>;
}
