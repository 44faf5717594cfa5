// The tape of a program: filled from what is stored, or from what comes.
import { useEffect, useMemo, useState } from "preact/hooks";
import { type Event, ask, of } from "../api";
import { readCast } from "./cast";
import { listenTo } from "./live";
import { Tape } from "./tape";

/** A tape, and how far it is. */
export interface Recording {
  tape: Tape;
  state: "loading" | "ready" | "live" | "lost" | "cut" | "failed";
  bytes: number;
  error: string | null;
}

/** Which program, and where it begins. */
export interface Wanted {
  id: string;
  channel: number;
  program: number;
  /** Whether what it wrote was meant for a terminal, or for a program at the other end. */
  shows: boolean;
  live: boolean;
  at: number | null;
  duration: number;
}

/** What is told of a session that runs. */
export interface Growth {
  /** What happened, a few at a time. */
  events: (events: Event[]) => void;
  /** So much is new that all that is known of the session should be asked for again. */
  grown: () => void;
}

/** The recording of a program. */
export function useRecording(wanted: Wanted | null, growth: Growth): Recording {
  const key = wanted && `${wanted.id} ${wanted.channel} ${wanted.program} ${wanted.live}`;
  const tape = useMemo(() => new Tape(), [key]);
  const [state, setState] = useState<Omit<Recording, "tape">>({ state: "loading", bytes: 0, error: null });
  useEffect(() => {
    if (!wanted) return;
    setState({ state: "loading", bytes: 0, error: null });
    if (wanted.live) return live(wanted, tape, growth, (now) => setState({ state: now, bytes: 0, error: null }));
    const control = new AbortController();
    stored(wanted, tape, control.signal, (bytes) => setState((old) => ({ ...old, bytes })))
      .then((how) => setState((old) => ({ ...old, state: how === "whole" ? "ready" : "cut" })))
      .catch((error: Error) => {
        if (!control.signal.aborted) setState((old) => ({ ...old, state: "failed", error: error.message }));
      });
    return () => control.abort();
  }, [tape]);
  useEffect(() => tape.lasts(wanted?.duration ?? 0), [tape, wanted?.duration]);
  return { tape, ...state };
}

/** How long to wait before a session that runs is asked for again: each time is a look that is recorded. */
const FIRST_PAUSE = 4000;
const LONGEST_PAUSE = 60_000;

async function stored(wanted: Wanted, tape: Tape, signal: AbortSignal, progress: (bytes: number) => void) {
  const { id, channel, program, at } = wanted;
  if (!wanted.shows) return "whole";
  const answer = await ask(of(id, `/channels/${channel}/cast?program=${program}`), { signal });
  const how = await readCast(answer, (size) => tape.begin(size), (events) => tape.push(events), progress);
  if (at !== null) tape.seek(at);
  else tape.preview(tape.duration * 0.6);
  return how;
}

function live(
  wanted: Wanted,
  tape: Tape,
  growth: Growth,
  told: (state: "live" | "lost" | "ready") => void,
): () => void {
  let [asking, handing, pause] = [0, 0, FIRST_PAUSE];
  let events: Event[] = [];
  if (wanted.at === null) tape.follow();
  const hand = () => {
    handing = 0;
    growth.events(events);
    events = [];
  };
  const ask = () => {
    asking = 0;
    growth.grown();
  };
  const end = listenTo(wanted.id, wanted.channel, wanted.program, {
    begin: (size) => tape.begin(size),
    events: (events) => tape.push(events),
    message: ({ cast: _, ...event }) => {
      events.push(event);
      if (handing === 0) handing = window.setTimeout(hand, 200);
      if (asking !== 0) return;
      asking = window.setTimeout(ask, pause);
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    },
    state: (now) => {
      told(now === "connected" ? "live" : now === "lost" ? "lost" : "ready");
      if (now !== "ended") return;
      hand();
      tape.pause();
      growth.grown();
    },
  });
  return () => {
    end();
    window.clearTimeout(asking);
    window.clearTimeout(handing);
  };
}
