import { useEffect, useRef, useState } from "preact/hooks";
import { type Event, of, read } from "../api";
import { timeOfDay, when } from "../format";
import { visible } from "../visible";
import { Failure, Nothing } from "./notice";

const LIMIT = 200;

interface Page {
  items: Event[];
  next: number | null;
}

/** The messages of a log, as lines. */
export function Events(props: {
  id: string;
  channels: number[];
  turn: number;
  onJump: (channel: number, time: string) => void;
}) {
  const { id, channels, turn } = props;
  const [type, setType] = useState("");
  const [channel, setChannel] = useState("");
  const [known, setKnown] = useState<string[]>([]);
  const [open, setOpen] = useState<number | null>(null);
  const list = useEvents(id, type, channel, turn);
  useEffect(() => {
    const types = new Set([...known, ...list.items.map((item) => String(item.type))]);
    if (types.size > known.length) setKnown([...types].sort());
  }, [list.items]);
  return (
    <div class="events">
      <div class="small-filters">
        <label>
          Type
          <select value={type} onChange={(event) => setType(event.currentTarget.value)}>
            <option value="">all</option>
            {known.map((name) => (
              <option key={name} value={name}>
                {visible(name)}
              </option>
            ))}
          </select>
        </label>
        <label>
          Channel
          <select value={channel} onChange={(event) => setChannel(event.currentTarget.value)}>
            <option value="">all</option>
            {channels.map((number) => (
              <option key={number} value={String(number)}>
                #{number}
              </option>
            ))}
          </select>
        </label>
      </div>
      {list.error && <Failure text={list.error} onAgain={list.more} />}
      {list.done && list.items.length === 0 && <Nothing>No event is like that.</Nothing>}
      {list.items.length > 0 && (
        <table>
          <thead>
            <tr>
              <th scope="col">Time</th>
              <th scope="col">Channel</th>
              <th scope="col">Event</th>
            </tr>
          </thead>
          <tbody>
            {list.items.map((event) => (
              <Row
                key={event.number}
                event={event}
                open={open === event.number}
                onOpen={() => setOpen(open === event.number ? null : event.number)}
                onJump={props.onJump}
              />
            ))}
          </tbody>
        </table>
      )}
      {!list.done && <More key={list.items.length} onSeen={list.more} />}
    </div>
  );
}

function Row(props: {
  event: Event;
  open: boolean;
  onOpen: () => void;
  onJump: (channel: number, time: string) => void;
}) {
  const { event, open } = props;
  const { channel } = event;
  const time = <time dateTime={event.time}>{timeOfDay(event.time)}</time>;
  return (
    <>
      <tr>
        <td class="at" title={when(event.time)}>
          {channel === null ? (
            time
          ) : (
            <button class="link" type="button" onClick={() => props.onJump(channel, event.time)} title="Go there in the player">
              {time}
            </button>
          )}
        </td>
        <td class="channel">{channel === null ? "" : `#${channel}`}</td>
        <td class="event">
          <button class="link" type="button" aria-expanded={open} onClick={props.onOpen}>
            <span class="type">{visible(String(event.type))}</span> {visible(event.text)}
          </button>
        </td>
      </tr>
      {open && (
        <tr class="json">
          <td colSpan={3}>
            <pre tabIndex={0}>{visible(pretty(event.json)).replaceAll("\\x0a", "\n")}</pre>
          </td>
        </tr>
      )}
    </>
  );
}

/** A button that is pressed as soon as it is seen. */
function More({ onSeen }: { onSeen: () => void }) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!button.current) return;
    const seen = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && onSeen());
    seen.observe(button.current);
    return () => seen.disconnect();
  }, []);
  return (
    <button class="load-more" type="button" ref={button} onClick={onSeen}>
      More
    </button>
  );
}

/** The events so far, and how to get more. */
function useEvents(id: string, type: string, channel: string, turn: number) {
  const key = `${id} ${type} ${channel}`;
  const [state, setState] = useState<{ key: string; items: Event[]; next: number | null; error: string | null }>({
    key,
    items: [],
    next: -1,
    error: null,
  });
  const busy = useRef(false);
  const latest = useRef(state);
  latest.current = state;

  const load = async (of_: string, items: Event[], after: number) => {
    busy.current = true;
    const query = new URLSearchParams({ limit: String(LIMIT) });
    if (type !== "") query.set("type", type);
    if (channel !== "") query.set("channel", channel);
    if (after >= 0) query.set("after", String(after));
    try {
      const page = await read<Page>(of(id, `/events?${query}`));
      setState({ key: of_, items: [...items, ...page.items], next: page.next, error: null });
    } catch (error) {
      setState({ key: of_, items, next: null, error: (error as Error).message });
    } finally {
      busy.current = false;
    }
  };
  useEffect(() => void load(key, [], -1), [key]);
  // More of a session that runs: go on behind what is there, if all of it is.
  useEffect(() => {
    const { items, next } = latest.current;
    const last = items.at(-1)?.number ?? -1;
    if (turn > 0 && next === null && !busy.current) void load(key, items, last);
  }, [turn]);
  const current = state.key === key ? state : { ...state, items: [], next: -1 };
  const more = () => {
    const after = current.next ?? current.items.at(-1)?.number ?? -1;
    if (!busy.current) void load(key, current.items, after);
  };
  return { items: current.items, done: current.next === null, error: current.error, more };
}

/** JSON in lines. */
function pretty(json: unknown): string {
  if (typeof json !== "string") return JSON.stringify(json, null, 2) ?? "";
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}
