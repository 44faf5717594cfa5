import type { FunctionComponent } from "preact";
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import type { Track } from "../api";
import { size } from "../format";
import { useKeys } from "../keys";
import type { Recording } from "../play/recording";
import type { Tape } from "../play/tape";
import { changed, go } from "../route";
import { Controls } from "./controls";
import { Icon } from "./icon";
import { Failure } from "./notice";
import { Timeline } from "./timeline";

const SPEEDS = [0.5, 1, 2, 4, 8, 16, 32];

type ScreenKind = FunctionComponent<{ tape: Tape; wide: boolean; loaded: boolean }>;

/** A recording with what moves in it. */
export function Player({ recording, track, shows }: { recording: Recording; track: Track; shows: boolean }) {
  const { tape, state, bytes, error } = recording;
  const whole = useRef<HTMLDivElement>(null);
  const [wide, setWide] = useState(false);
  const [Screen, setScreen] = useState<ScreenKind | null>(null);
  useTape(tape);
  useEffect(() => {
    void import("./screen").then((module) => setScreen(() => module.default));
  }, []);

  const loaded = state !== "loading";
  const isLive = state === "live" || state === "lost";
  const fullScreen = () => {
    if (document.fullscreenElement) void document.exitFullscreen();
    else void whole.current?.requestFullscreen?.();
  };
  const speed = (by: 1 | -1) => {
    const at = SPEEDS.indexOf(tape.speed) + by;
    tape.speed = SPEEDS[Math.min(Math.max(at, 0), SPEEDS.length - 1)] ?? 1;
  };
  const marks = [...new Set(track.markers.map((marker) => marker.at))].sort((a, b) => a - b);
  const mark = (by: 1 | -1) => {
    const next =
      by > 0 ? marks.find((at) => at > tape.position + 0.05) : marks.findLast((at) => at < tape.position - 0.75);
    tape.seek(next ?? (by > 0 ? tape.duration : 0));
  };
  const link = () => {
    // Rounded up: what is shown now is to be shown there.
    const at = (Math.ceil(tape.position * 1000) / 1000).toFixed(3);
    go(changed({ channel: track.channel, program: track.program || null, at }), "replace");
    void navigator.clipboard?.writeText(location.href).catch(() => undefined);
  };
  const tenths = Object.fromEntries(
    [..."0123456789"].map((digit) => [digit, () => tape.seek((tape.duration * Number(digit)) / 10)]),
  );
  useKeys({
    ...tenths,
    " ": () => tape.toggle(),
    ArrowLeft: () => tape.seek(tape.position - 5),
    ArrowRight: () => tape.seek(tape.position + 5),
    "Shift+ArrowLeft": () => tape.seek(tape.position - tape.duration / 10),
    "Shift+ArrowRight": () => tape.seek(tape.position + tape.duration / 10),
    ",": () => tape.step(-1),
    ".": () => tape.step(1),
    "[": () => mark(-1),
    "]": () => mark(1),
    "<": () => speed(-1),
    ">": () => speed(1),
    s: () => (tape.skipsSilence = !tape.skipsSilence),
    f: fullScreen,
    l: () => isLive && tape.follow(),
  });
  return (
    <section class="player" aria-label="Player" ref={whole}>
      <div class={`stage ${shows ? "" : "silent"}`} onClick={(event) => !wide && isClick(event) && tape.toggle()}>
        {!shows ? null : Screen ? <Screen tape={tape} wide={wide} loaded={loaded} /> : <div class="screen" />}
        {state === "loading" && <p class="over">Reading the recording… {bytes > 0 ? size(bytes) : ""}</p>}
        {state === "lost" && <p class="over">The connection to the server is lost. Trying again…</p>}
        {state === "ready" && tape.events.length === 0 && <p class="over">There is nothing that a terminal would show.</p>}
        {state === "ready" && tape.events.length > 0 && tape.position === 0 && !tape.playing && (
          <button class="big-play" type="button" onClick={() => tape.play()}>
            <Icon name="play" />
            <span class="sr">Play from the beginning</span>
          </button>
        )}
      </div>
      {state === "failed" && <Failure text={error ?? "The recording cannot be read."} />}
      {state === "cut" && <Failure text="This recording is too long for a page: only its beginning is here. Download it to see the rest." />}
      <Controls
        tape={tape}
        live={isLive}
        wide={wide}
        speeds={SPEEDS}
        onMark={mark}
        onWide={() => setWide(!wide)}
        onFull={fullScreen}
        onLink={link}
      />
      <Timeline tape={tape} track={track} loaded={loaded} />
    </section>
  );
}

/** Renders anew whenever a tape moves. */
export function useTape(tape: Tape): void {
  const [, again] = useReducer<number, void>((turn) => turn + 1, 0);
  useEffect(() => tape.listen(() => again()), [tape]);
}

/** Whether a click is meant for the terminal, and not the end of a selection. */
function isClick(event: MouseEvent): boolean {
  const on = event.target;
  return on instanceof Element && on.closest("button") === null && !getSelection()?.toString();
}
