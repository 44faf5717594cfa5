import { useRef, useState } from "preact/hooks";
import { clock } from "../format";
import type { Tape } from "../play/tape";
import { Icon, type IconName } from "./icon";
import { useTape } from "./player";

/** The buttons below the terminal. */
export function Controls(props: {
  tape: Tape;
  live: boolean;
  wide: boolean;
  speeds: number[];
  onMark: (by: 1 | -1) => void;
  onWide: () => void;
  onFull: () => void;
  onLink: () => void;
}) {
  const { tape, live } = props;
  const [linked, setLinked] = useState(false);
  const timer = useRef(0);
  useTape(tape);
  const moves = tape.playing || tape.following;
  const link = () => {
    props.onLink();
    setLinked(true);
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(() => setLinked(false), 2000);
  };
  return (
    <div class="controls" role="group" aria-label="Playback">
      <button class="main play" type="button" onClick={() => tape.toggle()} title={moves ? "Pause (Space)" : "Play (Space)"}>
        <Icon name={moves ? "pause" : "play"} />
        <span class="sr">{moves ? "Pause" : "Play"}</span>
      </button>
      <Small icon="previous" label="Mark before" keys="[" onClick={() => props.onMark(-1)} />
      <Small icon="next" label="Mark after" keys="]" onClick={() => props.onMark(1)} />
      <span class="time">
        <b>{clock(tape.position)}</b> / {clock(tape.duration)}
      </span>
      {live && (
        <button class={`go-live ${tape.following ? "on" : ""}`} type="button" aria-pressed={tape.following} onClick={() => tape.follow()} title="Follow what happens (l)">
          <span class="dot" aria-hidden="true" /> Live
        </button>
      )}
      <span class="gap" />
      <label class="speed">
        <span class="sr">Speed</span>
        <select value={String(tape.speed)} onChange={(event) => (tape.speed = Number(event.currentTarget.value))}>
          {props.speeds.map((speed) => (
            <option key={speed} value={String(speed)}>
              {speed}×
            </option>
          ))}
        </select>
      </label>
      <button
        class="quiet"
        type="button"
        aria-pressed={tape.skipsSilence}
        onClick={() => (tape.skipsSilence = !tape.skipsSilence)}
        title="Leave out silence of more than 2 seconds (s)"
      >
        <Icon name="skip" />
        <span class="wide-only">Skip silence</span>
        <span class="sr narrow-only">Skip silence</span>
      </button>
      <button class="quiet" type="button" onClick={link} title="Copy a link to this moment">
        <Icon name={linked ? "check" : "link"} />
        <span class="sr">Copy a link to this moment</span>
      </button>
      <button class="quiet" type="button" aria-pressed={props.wide} onClick={props.onWide} title="Letters at their own size">
        <Icon name="fit" />
        <span class="sr">Letters at their own size</span>
      </button>
      <Small icon="full" label="Whole screen" keys="f" onClick={props.onFull} />
      <span class="sr" role="status">
        {linked ? "Link copied" : ""}
      </span>
    </div>
  );
}

function Small(props: { icon: IconName; label: string; keys: string; onClick: () => void }) {
  return (
    <button class="quiet" type="button" onClick={props.onClick} title={`${props.label} (${props.keys})`}>
      <Icon name={props.icon} />
      <span class="sr">{props.label}</span>
    </button>
  );
}
