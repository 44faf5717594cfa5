import { type Listed, type Typed, of } from "../api";
import { clock } from "../format";
import { useLoad } from "../load";
import { visible } from "../visible";
import { Failure, More, Nothing } from "./notice";

/** What was typed, line by line. */
export function TypedLines(props: { id: string; turn: number; onJump: (channel: number, time: string) => void }) {
  const list = useLoad<Listed<Typed>>(of(props.id, "/input"), props.turn);
  if (list.error) return <Failure text={list.error} onAgain={list.again} />;
  if (!list.value) return <Nothing>Reading…</Nothing>;
  if (list.value.items.length === 0) {
    return <Nothing>Nothing was typed, or what was typed is not recorded (intercept.stdin).</Nothing>;
  }
  return (
    <>
      <ol class="typed">
        {list.value.items.map((line, index) => (
          <li key={index}>
            <button class="link" type="button" onClick={() => props.onJump(line.channel, line.time)}>
              {clock(line.at)}
            </button>
            <code>{visible(line.text)}</code>
          </li>
        ))}
      </ol>
      <More more={list.value.more} />
    </>
  );
}
