import { of } from "../api";
import { useLoad } from "../load";
import { visible } from "../visible";
import { Icon } from "./icon";
import { Failure, Nothing } from "./notice";

const GOOD = new Set(["intact", "ok", "valid"]);
const OPEN = new Set(["open", "unfinished", "growing"]);

/** Whether the log is as it was written. */
export function Verification({ id }: { id: string }) {
  const found = useLoad<Record<string, unknown>>(of(id, "/verify"));
  if (found.error) return <Failure text={found.error} onAgain={found.again} />;
  if (!found.value) return <Nothing>Checking every byte…</Nothing>;
  const { verdict, ...rest } = found.value;
  const word = String(verdict);
  const kind = GOOD.has(word) ? "good" : OPEN.has(word) ? "" : "bad";
  return (
    <div class="verification">
      <p class={`notice ${kind}`}>
        <Icon name={kind === "bad" ? "warn" : "check"} />
        <b>{visible(word)}</b>
      </p>
      <Value value={rest} />
    </div>
  );
}

/** Whatever JSON says, as lists. */
function Value({ value }: { value: unknown }) {
  if (Array.isArray(value)) {
    return (
      <ul>
        {value.map((item, index) => (
          <li key={index}>
            <Value value={item} />
          </li>
        ))}
      </ul>
    );
  }
  if (typeof value !== "object" || value === null) return <span class="value">{visible(String(value))}</span>;
  return (
    <dl>
      {Object.entries(value)
        .filter(([, item]) => item !== null && !(Array.isArray(item) && item.length === 0))
        .map(([name, item]) => (
          <div key={name}>
            <dt>{words(name)}</dt>
            <dd>
              <Value value={item} />
            </dd>
          </div>
        ))}
    </dl>
  );
}

/** `contentBytes` as `content bytes`. */
function words(name: string): string {
  return visible(name.replace(/([A-Z])/g, " $1").toLowerCase());
}
