import type { Connection, Program, Ran, Track } from "../api";
import { changed, go } from "../route";
import { visible } from "../visible";

/** A program as the list has it. */
export function ranAs(program: Ran): Pick<Program, "what" | "command"> {
  const { ran } = program;
  if (ran === null) return { what: "exec", command: "?" };
  if ("exec" in ran) return { what: "exec", command: ran.exec };
  if ("subsystem" in ran) return { what: "subsystem", command: ran.subsystem };
  return { what: "shell", command: null };
}

const TRANSFER = /^(\S*\/)?(scp\s(.*\s)?-[tf]\b|rsync\s+--server\b|sftp-server\b)/;

/** Whether a program speaks a protocol of files, and not to a person. */
export function isTransfer(program: Ran | undefined): boolean {
  if (!program || program.terminal !== null) return false;
  const { what, command } = ranAs(program);
  return what === "subsystem" || (what === "exec" && TRANSFER.test(command ?? ""));
}

/** What ran on a track. */
export function programOf(connection: Connection, track: Track): Ran | undefined {
  const channel = connection.channels.find((one) => one.channel === track.channel);
  return channel?.programs[track.program];
}

/** The track that the address names, or the first on which a person was. */
export function chosenTrack(connection: Connection, tracks: Track[], query: URLSearchParams): Track | null {
  const [channel, program] = [query.get("channel"), Number(query.get("program") ?? "0")];
  const named = tracks.find((track) => String(track.channel) === channel && track.program === program);
  const seen = tracks.find((track) => {
    const ran = programOf(connection, track);
    return ran ? ran.terminal !== null : false;
  });
  return named ?? seen ?? tracks[0] ?? null;
}

/** Chooses one of several programs. */
export function Tracks({ connection, tracks, current }: { connection: Connection; tracks: Track[]; current: Track }) {
  if (tracks.length < 2) return null;
  const name = (track: Track) => `${track.channel} ${track.program}`;
  const choose = (value: string) => {
    const [channel, program] = value.split(" ");
    go(changed({ channel: channel ?? null, program: program === "0" ? null : (program ?? null), at: null }));
  };
  return (
    <label class="tracks">
      <span>{tracks.length} programs</span>
      <select value={name(current)} onChange={(event) => choose(event.currentTarget.value)}>
        {tracks.map((track) => {
          const program = programOf(connection, track);
          const ran = program && ranAs(program);
          return (
            <option key={name(track)} value={name(track)}>
              #{track.channel} {ran ? visible(ran.command ?? ran.what).slice(0, 100) : ""}
            </option>
          );
        })}
      </select>
    </label>
  );
}
