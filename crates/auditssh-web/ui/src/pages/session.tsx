import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { type Connection, type Event, type Track, of } from "../api";
import { lasted, when } from "../format";
import { useLoad } from "../load";
import { State } from "../parts/badges";
import { Events } from "../parts/events";
import { Facts } from "../parts/facts";
import { Files } from "../parts/files";
import { Menu } from "../parts/menu";
import { Failure, Nothing } from "../parts/notice";
import { Player } from "../parts/player";
import { Tabs } from "../parts/tabs";
import { Tracks, chosenTrack, isTransfer, programOf } from "../parts/tracks";
import { TypedLines } from "../parts/typed";
import { Verification } from "../parts/verification";
import { useRecording } from "../play/recording";
import { changed, go } from "../route";
import { visible } from "../visible";

/** Most events of a session that runs that are kept; the others are asked for again. */
const MOST_TOLD = 5000;

/** A connection: its player, and all that is known of it. */
export function SessionPage({ id, address }: { id: string; address: URL }) {
  const connection = useLoad<Connection>(of(id));
  const timeline = useLoad<{ channels: Track[] }>(of(id, "/timeline"));
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const { value } = connection;
    const who = value ? `${visible(value.user ?? "nobody")} from ${visible(value.address ?? "somewhere")}` : "Session";
    document.title = `${who} – AuditSSH`;
  }, [connection.value]);
  const again = () => {
    connection.again();
    timeline.again();
    setTurn((old) => old + 1);
  };
  const error = connection.error ?? timeline.error;
  if (error && !connection.value) return <Failure text={error} onAgain={again} />;
  if (!connection.value || !timeline.value) return <Nothing>Reading the log…</Nothing>;
  return (
    <Session
      id={id}
      address={address}
      connection={connection.value}
      tracks={timeline.value.channels}
      turn={turn}
      onGrown={again}
    />
  );
}

function Session(props: {
  id: string;
  address: URL;
  connection: Connection;
  tracks: Track[];
  turn: number;
  onGrown: () => void;
}) {
  const { id, address, connection, tracks, turn } = props;
  const query = address.searchParams;
  const track = chosenTrack(connection, tracks, query);
  const at = query.get("at") === null ? null : Number(query.get("at"));
  // A session that ends while it is watched stays in the player as it is.
  const [wasLive] = useState(connection.live);
  const wanted = track && {
    id,
    channel: track.channel,
    program: track.program,
    shows: !isTransfer(programOf(connection, track)),
    live: wasLive,
    at,
    duration: track.duration,
  };
  const [told, setTold] = useState<Event[]>([]);
  const recording = useRecording(wanted, {
    events: (events) => setTold((old) => [...old, ...events].slice(-MOST_TOLD)),
    grown: props.onGrown,
  });
  const { tape } = recording;
  const ready = recording.state !== "loading";
  useEffect(() => {
    if (at !== null && Number.isFinite(at) && ready) tape.seek(at);
  }, [at, ready, tape]);

  const stage = useRef<HTMLDivElement>(null);
  const jump = (channel: number, time: string) => {
    const there = trackAt(tracks, channel, time);
    if (!there) return;
    // Browsers know milliseconds: one more, so that what happened then is shown.
    const seconds = (Date.parse(time) - Date.parse(there.start) + 1) / 1000;
    if (there === track) tape.seek(seconds);
    else go(changed({ channel, program: there.program || null, at: Math.max(0, seconds).toFixed(3) }));
    stage.current?.scrollIntoView({ block: "nearest" });
  };
  const channels = useMemo(() => connection.channels.map((channel) => channel.channel), [connection]);
  const tab = query.get("tab") ?? "events";
  const files = connection.uploads.files + connection.downloads.files;
  const tabs = [
    { name: "events", title: "Events" },
    { name: "files", title: "Files", count: files },
    { name: "input", title: "Input" },
    { name: "facts", title: "Facts", count: connection.odd.lines.length },
    { name: "verify", title: "Verify" },
  ];
  return (
    <div class="page session">
      <Head connection={connection} id={id} track={track} />
      {connection.problem && <Failure text={`The log can't be read to its end: ${connection.problem}`} />}
      <div class="columns">
        <div class="stage-column" ref={stage}>
          {track ? (
            <>
              <Tracks connection={connection} tracks={tracks} current={track} />
              <Player key={`${track.channel} ${track.program}`} recording={recording} track={track} shows={wanted?.shows ?? false} />
            </>
          ) : (
            <Nothing>No program ran on this connection, so there is nothing to play.</Nothing>
          )}
        </div>
        <Tabs
          label="What is known of this session"
          tabs={tabs}
          current={tab}
          onChoose={(name) => go(changed({ tab: name === "events" ? null : name }), "replace")}
        >
          {tab === "events" && <Events id={id} channels={channels} told={told} onJump={jump} />}
          {tab === "files" && <Files id={id} turn={turn} onJump={jump} />}
          {tab === "input" && <TypedLines id={id} turn={turn} onJump={jump} />}
          {tab === "facts" && <Facts connection={connection} />}
          {tab === "verify" && <Verification id={id} turn={turn} />}
        </Tabs>
      </div>
    </div>
  );
}

function Head({ connection, id, track }: { connection: Connection; id: string; track: Track | null }) {
  const { start, end, user, address, state, live } = connection;
  const seconds = start && end ? (Date.parse(end) - Date.parse(start)) / 1000 : null;
  const place = track && `/channels/${track.channel}/cast?program=${track.program}&download=1`;
  const page = track && programOf(connection, track)?.terminal ? `&channel=${track.channel}&program=${track.program}` : "";
  return (
    <div class="head">
      <h1>
        {user === null ? "nobody" : visible(user)}
        <span class="faint"> from {visible(address ?? "somewhere")}</span>
      </h1>
      <State state={state} live={live} />
      <p class="faint">
        {start && <time dateTime={start}>{when(start)}</time>}
        {seconds === null ? "" : ` · ${lasted(seconds)}`}
        {connection.clientVersion && ` · ${visible(connection.clientVersion)}`}
      </p>
      <Menu label="Download" icon="download">
        <Get address={of(id, "/download?as=log")} title="Log" what="as it was written" />
        {place && <Get address={of(id, place)} title="Cast" what="asciicast of this program" />}
        <Get address={of(id, `/download?as=text${page}`)} title="Text" what={page ? "what stood on the screen" : "a line an event"} />
        {page && <Get address={of(id, `/download?as=html${page}`)} title="Page" what="the same with its colours" />}
        <Get address={of(id, "/download?as=json")} title="JSON" what="a line an event, lossless" />
      </Menu>
    </div>
  );
}

function Get({ address, title, what }: { address: string; title: string; what: string }) {
  return (
    <a href={address} download="">
      {title} <span class="faint">{what}</span>
    </a>
  );
}

/** The program that ran on a channel at a time. */
function trackAt(tracks: Track[], channel: number, time: string): Track | undefined {
  const there = tracks.filter((track) => track.channel === channel);
  return there.findLast((track) => Date.parse(track.start) <= Date.parse(time)) ?? there[0];
}
