import { of } from "../api";
import { useLoad } from "../load";
import { visible } from "../visible";
import { Icon } from "./icon";
import { Failure, Nothing } from "./notice";

/** What is found: the word, and what that means to whoever reads it. */
interface Found {
  verdict: string;
  details: string[];
}

const MEANS: Record<string, ["good" | "warn" | "bad" | "", string]> = {
  intact: ["good", "The log is as it was written, from its first byte to its last."],
  recovered: ["warn", "The server crashed while this was written. What was saved is as it was written."],
  open: ["", "The session still runs. What is sealed by now is as it was written."],
  foreign: ["", "Another program wrote this log, and nothing in it proves that it is unchanged."],
  cut: ["bad", "The end of the log is missing."],
  altered: ["bad", "The log is not as it was written."],
};

/** Whether the log is as it was written. */
export function Verification({ id, turn }: { id: string; turn: number }) {
  const found = useLoad<Found>(of(id, "/verify"), turn);
  if (found.error) return <Failure text={found.error} onAgain={found.again} />;
  if (!found.value) return <Nothing>Checking every byte…</Nothing>;
  const { verdict, details } = found.value;
  const [kind, means] = MEANS[verdict] ?? ["", ""];
  return (
    <div class="verification">
      <div class={`notice ${kind}`}>
        <Icon name={kind === "bad" || kind === "warn" ? "warn" : "check"} />
        <p>
          <b class="verdict">{visible(verdict)}</b>
          <br />
          {means}
        </p>
      </div>
      <ul class="lines">
        {details.map((line) => (
          <li key={line}>{visible(line)}</li>
        ))}
      </ul>
      <p class="faint">
        The same on a machine of your own: download the log, then <code>auditssh verify {visible(id)}</code>.
      </p>
    </div>
  );
}
