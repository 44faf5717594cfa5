import { useEffect, useRef, useState } from "preact/hooks";
import { type Event, of, read } from "../api";
import { timeOfDay, when } from "../format";
import { useLoad } from "../load";
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
  /** What is told of a session while it runs. */
  told: Event[];
  onJump: (channel: number, time: string) => void;
}) {
  const { id, channels, told } = props;
  const [type, setType] = useState("");
  const [channel, setChannel] = useState("");
  const [known, setKnown] = useState<string[]>([]);
  const [open, setOpen] = useState<number | null>(null);
  const list = useEvents(id, type, channel, told);
  useEffect(() => {
    // The types that there are show themselves with the events.
    const types = new Set([...known, ...list.items.map((item) => String(item.type))]);
    if (types.size > known.length) setKnown([...types].sort());
  }, [list.items.length]);
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
                id={id}
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
  id: string;
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
            <Json id={props.id} event={event} />
          </td>
        </tr>
      )}
    </>
  );
}

/** All that a message says. What comes while a session runs has only its line: the rest is asked for. */
function Json({ id, event }: { id: string; event: Event }) {
  const address = of(id, `/events?limit=1${event.number > 0 ? `&after=${event.number - 1}` : ""}`);
  const asked = useLoad<Page>(event.json === undefined ? address : null);
  if (asked.error) return <Failure text={asked.error} onAgain={asked.again} />;
  const json = event.json ?? asked.value?.items[0]?.json;
  return <pre tabIndex={0}>{visible(JSON.stringify(json, null, 2) ?? "").replaceAll("\\x0a", "\n")}</pre>;
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

/** What was asked for, and how far that is. */
interface State {
  key: string;
  items: Event[];
  next: number | null;
  error: string | null;
}

/** The events so far, and how to get more. What is told comes behind them. */
function useEvents(id: string, type: string, channel: string, told: Event[]) {
  const key = `${id} ${type} ${channel}`;
  const empty: State = { key, items: [], next: -1, error: null };
  const [kept, setState] = useState<State>(empty);
  const state = kept.key === key ? kept : empty;
  const busy = useRef("");

  const load = async (items: Event[], after: number) => {
    busy.current = key;
    const query = new URLSearchParams({ limit: String(LIMIT) });
    if (type !== "") query.set("type", type);
    if (channel !== "") query.set("channel", channel);
    if (after >= 0) query.set("after", String(after));
    let made: State;
    try {
      const page = await read<Page>(of(id, `/events?${query}`));
      made = { key, items: [...items, ...page.items], next: page.next, error: null };
    } catch (error) {
      made = { key, items, next: null, error: (error as Error).message };
    }
    if (busy.current !== key) return;
    busy.current = "";
    setState(made);
  };
  useEffect(() => void load([], -1), [key]);
  const last = state.items.at(-1)?.number ?? -1;
  const fits = (event: Event) =>
    event.number > last &&
    (type === "" || String(event.type) === type) &&
    (channel === "" || String(event.channel) === channel);
  const more = () => {
    if (busy.current !== key) void load(state.items, state.next ?? last);
  };
  const behind = state.next === null ? told.filter(fits) : [];
  return { items: [...state.items, ...behind], done: state.next === null, error: state.error, more };
}
