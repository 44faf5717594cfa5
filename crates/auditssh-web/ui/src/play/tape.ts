// A recording in the player: where it stands, how it goes on. It may still grow.
import { type CastEvent, type Size, resized } from "./cast";

/** What asciinema-player's terminal is told. */
type Dispatch = (name: string, data?: unknown) => void;

/** What asciinema-player drives a recording with. */
interface Driver {
  play: () => boolean;
  pause: () => boolean;
  seek: () => boolean;
  step: () => void;
  stop: () => void;
  getTiming: () => { time: number; rate: number; sampledAt: number };
  getDuration: () => number;
}

/** Silence longer than this many seconds is left out, if it is to be. */
const SILENCE = 2;
/** The most text that the terminal is given at once. */
const CHUNK = 1 << 18;

/** A recording, and where its player stands. */
export class Tape {
  readonly events: CastEvent[] = [];
  position = 0;
  playing = false;
  #speed = 1;
  #skipsSilence = true;
  /** Whether it shows what happens as it happens. */
  following = false;
  #size: Size = { columns: 80, rows: 24 };
  #duration = 0;
  #next = 0;
  #shown = 0;
  #poster = 0;
  #frame = 0;
  #last = 0;
  #dispatch: Dispatch = () => undefined;
  #listeners = new Set<() => void>();

  /** Seconds from its beginning to its end. */
  get duration(): number {
    return this.#duration;
  }

  /** The size with which it begins. */
  get size(): Size {
    return this.#size;
  }

  /** How much faster than it was. */
  get speed(): number {
    return this.#speed;
  }

  set speed(speed: number) {
    this.#speed = speed;
    this.#changed();
  }

  /** Whether stretches in which nothing happens are left out. */
  get skipsSilence(): boolean {
    return this.#skipsSilence;
  }

  set skipsSilence(skips: boolean) {
    this.#skipsSilence = skips;
    this.#changed();
  }

  /** Begins with this size. */
  begin(size: Size): void {
    this.#size = size;
    this.#redraw();
  }

  /** Makes it at least so long. */
  lasts(seconds: number): void {
    if (!(seconds > this.#duration)) return;
    this.#duration = seconds;
    if (this.following) this.position = seconds;
    this.#changed();
  }

  /** Adds what follows. */
  push(events: CastEvent[]): void {
    for (const event of events) {
      const at = Math.max(event[0], this.events.at(-1)?.[0] ?? 0);
      this.events.push([at, event[1], event[2]]);
      this.#duration = Math.max(this.#duration, at);
    }
    if (this.following) this.position = this.#duration;
    if (this.following || this.#shown >= (events[0]?.[0] ?? Infinity)) this.#show(this.position);
    this.#changed();
  }

  /** Calls back whenever something of it changes; ends with what is returned. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  play(): void {
    if (this.playing) return;
    this.#poster = 0;
    if (this.position >= this.#duration) this.position = 0;
    this.#show(this.position);
    this.playing = true;
    this.#last = performance.now();
    this.#frame = requestAnimationFrame(this.#tick);
    this.#dispatch("playing");
    this.#changed();
  }

  pause(): void {
    this.following = false;
    this.#halt();
    this.#changed();
  }

  toggle(): void {
    if (this.playing || this.following) this.pause();
    else this.play();
  }

  /** Goes to a moment, and goes on from there if it was playing. */
  seek(seconds: number): void {
    this.following = false;
    this.#poster = 0;
    this.position = Math.min(Math.max(seconds, 0), this.#duration);
    this.#show(this.position);
    this.#changed();
  }

  /** Goes to the next or the previous event that shows something. */
  step(direction: 1 | -1): void {
    this.pause();
    const shows = (event: CastEvent) => event[1] === "o" || event[1] === "r";
    const found =
      direction > 0
        ? this.events.find((event) => event[0] > this.position && shows(event))
        : this.events.findLast((event) => event[0] < this.position && shows(event));
    this.seek(found ? found[0] : direction > 0 ? this.#duration : 0);
  }

  /** Shows what happens as it happens. */
  follow(): void {
    this.#halt();
    this.#poster = 0;
    this.following = true;
    this.position = this.#duration;
    this.#show(this.position);
    this.#dispatch("playing");
    this.#changed();
  }

  /** Shows a moment without going there: what is seen before anything is played. */
  preview(seconds: number): void {
    if (this.playing || this.following || this.position > 0) return;
    this.#poster = seconds;
    this.#show(seconds);
  }

  /** What asciinema-player takes as its source. */
  readonly driver = ({ dispatch }: { dispatch: Dispatch }): Driver => {
    this.#dispatch = dispatch;
    let asked = 0;
    this.#redraw();
    return {
      // The first time, the player asks by itself: that clears its overlay and is no more.
      play: () => (asked++ > 0 && this.play(), true),
      pause: () => (this.pause(), true),
      seek: () => false,
      step: () => undefined,
      stop: () => this.#leave(dispatch),
      getTiming: () => ({ time: this.position, rate: 0, sampledAt: performance.timeOrigin + performance.now() }),
      getDuration: () => this.#duration,
    };
  };

  #leave(dispatch: Dispatch): void {
    if (this.#dispatch !== dispatch) return;
    this.#halt();
    this.#dispatch = () => undefined;
  }

  #halt(): void {
    cancelAnimationFrame(this.#frame);
    this.playing = false;
    this.#dispatch("pause");
  }

  readonly #tick = (now: number): void => {
    const passed = Math.min(Math.max(now - this.#last, 0), 250) / 1000;
    this.#last = now;
    let target = this.position + passed * this.speed;
    const quietSince = this.events[this.#next - 1]?.[0] ?? 0;
    const nextAt = this.events[this.#next]?.[0] ?? this.#duration;
    if (this.skipsSilence && target > quietSince + SILENCE && nextAt > target) target = nextAt;
    this.position = Math.min(target, this.#duration);
    this.#show(this.position);
    if (this.position >= this.#duration) this.#halt();
    else this.#frame = requestAnimationFrame(this.#tick);
    this.#changed();
  };

  #redraw(): void {
    this.#next = 0;
    this.#shown = 0;
    const { columns, rows } = this.#size;
    this.#dispatch("reset", { size: { cols: columns, rows } });
    this.#show(Math.max(this.position, this.#poster));
  }

  /** Brings the terminal to a moment; back only by way of the beginning. */
  #show(seconds: number): void {
    if (seconds < this.#shown) {
      this.#next = 0;
      const { columns, rows } = this.#size;
      this.#dispatch("reset", { size: { cols: columns, rows } });
    }
    this.#shown = seconds;
    let text = "";
    const flush = () => {
      if (text !== "") this.#dispatch("output", text);
      text = "";
    };
    for (; this.#next < this.events.length; this.#next += 1) {
      const [at, kind, data] = this.events[this.#next] as CastEvent;
      if (at > seconds) break;
      if (kind === "o") text += data;
      const size = kind === "r" ? resized(data) : null;
      if (size || text.length > CHUNK) flush();
      if (size) this.#dispatch("resize", { cols: size.columns, rows: size.rows });
    }
    flush();
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** How much was shown in each of so many stretches of a tape, from 0 to 1. */
export function activity(tape: Tape, stretches: number): number[] {
  const sums = new Array<number>(stretches).fill(0);
  if (tape.duration === 0) return sums;
  for (const [at, kind, data] of tape.events) {
    if (kind !== "o" && kind !== "i") continue;
    const index = Math.min(stretches - 1, Math.floor((at / tape.duration) * stretches));
    sums[index] = (sums[index] ?? 0) + Math.min(data.length, 4096);
  }
  const most = Math.max(...sums.map(Math.log1p), 1);
  return sums.map((sum) => Math.log1p(sum) / most);
}
