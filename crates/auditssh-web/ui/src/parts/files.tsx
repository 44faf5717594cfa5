import { type FileEntry, type Listed, of } from "../api";
import { size, timeOfDay } from "../format";
import { useLoad } from "../load";
import { visible } from "../visible";
import { Icon } from "./icon";
import { Failure, More, Nothing } from "./notice";

/** The ledger of files. */
export function Files(props: { id: string; turn: number; onJump: (channel: number, time: string) => void }) {
  const { id } = props;
  const list = useLoad<Listed<FileEntry>>(of(id, "/files"), props.turn);
  if (list.error) return <Failure text={list.error} onAgain={list.again} />;
  if (!list.value) return <Nothing>Reading…</Nothing>;
  if (list.value.items.length === 0) return <Nothing>No file went through this connection.</Nothing>;
  return (
    <>
      <ul class="files">
        {list.value.items.map((file, index) => (
          <File key={index} id={id} file={file} onJump={props.onJump} />
        ))}
      </ul>
      <More more={list.value.more} />
    </>
  );
}

function File(props: { id: string; file: FileEntry; onJump: (channel: number, time: string) => void }) {
  const { id, file } = props;
  const moves = file.action === "upload" || file.action === "download";
  return (
    <li class={file.result === "failed" ? "failed" : ""}>
      <span class={`file-way ${file.action}`} title={file.action}>
        <Icon name={file.action === "upload" ? "up" : file.action === "download" ? "down" : "file"} />
      </span>
      <div class="file-what">
        <p class="file-path">
          <code>{visible(file.path)}</code>
          {file.target !== undefined && (
            <>
              {" → "}
              <code>{visible(file.target)}</code>
            </>
          )}
        </p>
        <p class="faint">
          <button class="link" type="button" onClick={() => props.onJump(file.channel, file.start)}>
            {timeOfDay(file.start)}
          </button>{" "}
          {[file.protocol, file.action, ...facts(file)].map(visible).join(" · ")}
        </p>
        {file.sha256 && (
          <p class="hash">
            <span class="faint">SHA-256</span> <code>{visible(file.sha256)}</code>
          </p>
        )}
      </div>
      {moves && file.number !== null && (
        <a class="button quiet" href={of(id, `/files/${file.number}`)} download="" title="Download">
          <Icon name="download" />
          <span class="sr">Download {visible(file.path)}</span>
        </a>
      )}
    </li>
  );
}

function facts(file: FileEntry): string[] {
  return [
    file.bytes === undefined ? null : size(file.bytes),
    file.streams ? `${size(file.streams.in)} in, ${size(file.streams.out)} out` : null,
    file.mode ?? null,
    file.size === undefined ? null : `to ${size(file.size)}`,
    file.incomplete ? `not whole: ${file.incomplete}` : null,
    file.result === "failed" ? `failed: ${file.reason ?? "no reason given"}` : null,
    file.result === "unknown" ? "no answer in the log" : null,
  ].filter((fact) => fact !== null);
}
