// A session that still runs, as it comes.
import { type CastPart, type LiveEvent, of } from "../api";
import { listen } from "../stream";
import { type CastEvent, type Size, isEvent, sized } from "./cast";

/** What is told of a running session. */
export interface Ears {
  begin: (size: Size) => void;
  events: (events: CastEvent[]) => void;
  message: (message: LiveEvent) => void;
  state: (state: "connected" | "lost" | "ended") => void;
}

/** Listens to a session from its beginning, for one of its programs; ends with what is returned. */
export function listenTo(id: string, channel: number, program: number, ears: Ears): () => void {
  let [seen, runs, waiting] = [-1, -1, 0];
  let batch: CastEvent[] = [];
  const flush = () => {
    waiting = 0;
    if (batch.length > 0) ears.events(batch);
    batch = [];
  };
  const take = (part: CastPart) => {
    if (part.channel !== channel) return;
    if (part.header) runs += 1;
    if (part.header && runs === program) ears.begin(sized(part.header.width, part.header.height));
    if (runs === program) batch.push(...part.events.filter(isEvent));
  };
  const stop = listen(of(id, "/live"), {
    open: () => ears.state("connected"),
    error: () => ears.state("lost"),
    message: (event) => {
      const message = JSON.parse(event.data) as LiveEvent;
      // After a lost connection the server may begin anew.
      if (message.number <= seen) return;
      seen = message.number;
      message.cast?.forEach(take);
      ears.message(message);
      if (waiting === 0) waiting = window.setTimeout(flush, 15);
    },
    end: () => {
      end();
      flush();
      ears.state("ended");
    },
  });
  const end = () => {
    stop();
    window.clearTimeout(waiting);
  };
  return end;
}
