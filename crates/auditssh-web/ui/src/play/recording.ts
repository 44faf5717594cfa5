// The tape of a program: filled from what is stored, or from what comes.
import { useEffect, useMemo, useState } from "preact/hooks";
import { ask, of } from "../api";
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
  live: boolean;
  at: number | null;
  duration: number;
}

/** The recording of a program. `grown` is called when more of a session that runs is there. */
export function useRecording(wanted: Wanted | null, grown: (ended: boolean) => void): Recording {
  const key = wanted && `${wanted.id} ${wanted.channel} ${wanted.program} ${wanted.live}`;
  const tape = useMemo(() => new Tape(), [key]);
  const [state, setState] = useState<Omit<Recording, "tape">>({ state: "loading", bytes: 0, error: null });
  useEffect(() => {
    if (!wanted) return;
    setState({ state: "loading", bytes: 0, error: null });
    if (wanted.live) return live(wanted, tape, grown, (now) => setState({ state: now, bytes: 0, error: null }));
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

async function stored(wanted: Wanted, tape: Tape, signal: AbortSignal, progress: (bytes: number) => void) {
  const { id, channel, program, at } = wanted;
  const answer = await ask(of(id, `/channels/${channel}/cast?program=${program}`), { signal });
  const how = await readCast(answer, (size) => tape.begin(size), (events) => tape.push(events), progress);
  if (at !== null) tape.seek(at);
  else tape.preview(tape.duration * 0.6);
  return how;
}

function live(
  wanted: Wanted,
  tape: Tape,
  grown: (ended: boolean) => void,
  told: (state: "live" | "lost" | "ready") => void,
): () => void {
  let timer = 0;
  if (wanted.at === null) tape.follow();
  const end = listenTo(wanted.id, wanted.channel, wanted.program, {
    begin: (size) => tape.begin(size),
    events: (events) => tape.push(events),
    message: () => {
      if (timer !== 0) return;
      timer = window.setTimeout(() => {
        timer = 0;
        grown(false);
      }, 2000);
    },
    state: (now) => {
      told(now === "connected" ? "live" : now === "lost" ? "lost" : "ready");
      if (now === "ended") {
        tape.pause();
        grown(true);
      }
    },
  });
  return () => {
    end();
    window.clearTimeout(timer);
  };
}
