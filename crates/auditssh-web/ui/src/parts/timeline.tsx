import { useMemo, useState } from "preact/hooks";
import type { Marker, Track } from "../api";
import { clock } from "../format";
import { type Tape, activity } from "../play/tape";
import { visible } from "../visible";
import { useTape } from "./player";

const LANES: { title: string; kinds: string[] }[] = [
  { title: "Commands", kinds: ["command", "exit"] },
  { title: "Files", kinds: ["file"] },
  { title: "Trouble", kinds: ["failed", "gap"] },
  { title: "Resizes", kinds: ["resize"] },
];
const NAMES: Record<string, string> = {
  command: "command",
  exit: "end",
  file: "file",
  failed: "failed",
  gap: "gap",
  resize: "resize",
};
/** Marks that are closer than this part of the whole are one. */
const CLOSE = 0.008;
/** Most marks that a lane shows: what comes later is in the events. */
const MOST = 2000;

/** Marks that stand at the same place. */
interface Cluster {
  at: number;
  markers: Marker[];
}

/** Where the player stands, what happened when, and the ways there. */
export function Timeline({ tape, track, loaded }: { tape: Tape; track: Track; loaded: boolean }) {
  useTape(tape);
  const [pointed, setPointed] = useState<Cluster | null>(null);
  const duration = tape.duration;
  const shape = useMemo(() => outline(tape), [tape, loaded, Math.round(duration), tape.events.length >> 8]);
  const lanes = useMemo(() => laid(track, duration), [track, duration]);
  const part = duration > 0 ? tape.position / duration : 0;
  return (
    <div class="timeline">
      <span class="lane-title">Time</span>
      <div class="seek" style={{ "--part": part }}>
        <svg viewBox="0 0 200 20" preserveAspectRatio="none" aria-hidden="true" focusable="false">
          <path d={shape} />
        </svg>
        <input
          type="range"
          min="0"
          max={duration || 1}
          step="any"
          value={tape.position}
          aria-label="Position"
          aria-valuetext={`${clock(tape.position)} of ${clock(duration)}`}
          onKeyDown={(event) => arrows(event, tape)}
          onInput={(event) => tape.seek(Number(event.currentTarget.value))}
        />
      </div>
      {lanes.map((lane) => (
        <Lane key={lane.title} {...lane} tape={tape} onPoint={setPointed} />
      ))}
      {lanes.length > 0 && (
        <p class="said" aria-hidden="true">
          {pointed ? words(pointed) : words(latest(lanes, tape.position))}
        </p>
      )}
    </div>
  );
}

function Lane(props: {
  title: string;
  clusters: Cluster[];
  tape: Tape;
  onPoint: (cluster: Cluster | null) => void;
}) {
  const { title, clusters, tape } = props;
  const [chosen, setChosen] = useState(0);
  const move = (event: KeyboardEvent) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const next = Math.min(Math.max(chosen + by, 0), clusters.length - 1);
    setChosen(next);
    const buttons = (event.currentTarget as HTMLElement).querySelectorAll("button");
    buttons[next]?.focus();
  };
  const total = clusters.reduce((sum, cluster) => sum + cluster.markers.length, 0);
  return (
    <>
      <span class="lane-title">
        {title} <span class="faint">{total}</span>
      </span>
      <div class="lane" role="group" aria-label={`${title} on the timeline`} data-arrows="" onKeyDown={move}>
        {clusters.map((cluster, index) => (
          <button
            key={index}
            type="button"
            class={`mark ${kind(cluster)}`}
            style={{ left: `${Math.min(1, cluster.at / (tape.duration || 1)) * 100}%` }}
            tabIndex={index === Math.min(chosen, clusters.length - 1) ? 0 : -1}
            aria-label={words(cluster)}
            onClick={() => {
              setChosen(index);
              tape.seek(cluster.at);
            }}
            onFocus={() => props.onPoint(cluster)}
            onBlur={() => props.onPoint(null)}
            onPointerEnter={() => props.onPoint(cluster)}
            onPointerLeave={() => props.onPoint(null)}
          />
        ))}
      </div>
    </>
  );
}

/** The lanes that have something in them. */
function laid(track: Track, duration: number): { title: string; clusters: Cluster[] }[] {
  const lanes = LANES.map(({ title, kinds }) => {
    const markers = track.markers.filter((marker) => kinds.includes(marker.kind)).slice(0, MOST);
    return { title, clusters: clustered(markers, duration * CLOSE) };
  });
  return lanes.filter(({ clusters }) => clusters.length > 0);
}

function clustered(markers: Marker[], close: number): Cluster[] {
  const clusters: Cluster[] = [];
  for (const marker of [...markers].sort((a, b) => a.at - b.at)) {
    const last = clusters.at(-1);
    if (last && marker.at - last.at < close) last.markers.push(marker);
    else clusters.push({ at: marker.at, markers: [marker] });
  }
  return clusters;
}

/** The kind that a mark of several is drawn as: the one that matters most. */
function kind({ markers }: Cluster): string {
  const order = ["gap", "failed", "exit", "file", "command", "resize"];
  return order.find((name) => markers.some((marker) => marker.kind === name)) ?? "command";
}

/** What a mark says. */
function words(cluster: Cluster | null): string {
  const first = cluster?.markers[0];
  if (!cluster || !first) return "";
  const more = cluster.markers.length > 1 ? ` and ${cluster.markers.length - 1} more` : "";
  return `${clock(first.at)} ${NAMES[first.kind] ?? visible(first.kind)}: ${visible(first.label).slice(0, 200)}${more}`;
}

/** The last mark up to a moment. */
function latest(lanes: { clusters: Cluster[] }[], position: number): Cluster | null {
  const all = lanes.flatMap((lane) => lane.clusters).filter((cluster) => cluster.at <= position + 0.05);
  return all.reduce<Cluster | null>((last, next) => (last && last.at > next.at ? last : next), null);
}

/** How much happened when, as the outline of a mountain. */
function outline(tape: Tape): string {
  const points = activity(tape, 100).map((height, index) => `${index * 2},${(20 - height * 19).toFixed(1)}`);
  return `M0,20 L${points.map((point) => `${point} h2`).join(" L")} L200,20 Z`;
}

/** A range moves by single steps that are too small: five seconds instead. */
function arrows(event: KeyboardEvent, tape: Tape): void {
  const by = { ArrowRight: 5, ArrowUp: 5, ArrowLeft: -5, ArrowDown: -5 }[event.key];
  if (by === undefined) return;
  event.preventDefault();
  tape.seek(tape.position + by);
}
