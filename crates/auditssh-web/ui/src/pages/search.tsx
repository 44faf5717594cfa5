import { useEffect, useRef, useState } from "preact/hooks";
import { type Hit, ask, at, lines } from "../api";
import { clock, count, when } from "../format";
import { useKeys } from "../keys";
import { type Field, Filters } from "../parts/filters";
import { Failure, Nothing, Status } from "../parts/notice";
import { moveLine } from "../parts/sessions";
import { changed, go, toSession } from "../route";
import { visible } from "../visible";

const FIELDS: Field[] = [
  { name: "user", label: "User", hint: "alice or ali*" },
  { name: "address", label: "Address", hint: "192.0.2.7 or 10.0.0.0/8" },
  { name: "from", label: "From", kind: "time" },
  { name: "to", label: "To", kind: "time" },
];
const MOST = 200;

/** Text in all sessions, with the way to the second at which it stands. */
export function SearchPage({ address }: { address: URL }) {
  const query = address.searchParams;
  const wanted = (query.get("q") ?? "").trim();
  const field = useRef<HTMLInputElement>(null);
  const found = useSearch(wanted, query);
  useEffect(() => {
    document.title = wanted === "" ? "Search – AuditSSH" : `${visible(wanted)} – AuditSSH`;
  }, [wanted]);
  useKeys({ "/": () => field.current?.focus(), j: () => moveLine(1), k: () => moveLine(-1) });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    go(changed({ q: field.current?.value ?? "" }));
  };
  const groups = grouped(found.hits);
  return (
    <div class="page search" aria-busy={found.state === "searching"}>
      <h1>Search</h1>
      <form class="search-form" role="search" aria-label="Text in recordings" onSubmit={submit}>
        <label>
          <span class="sr">What was typed or stood on a screen</span>
          <input
            ref={field}
            type="search"
            name="q"
            key={wanted}
            defaultValue={wanted}
            placeholder="What was typed or stood on a screen"
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            autofocus={wanted === ""}
          />
        </label>
        <button class="main" type="submit">
          Search
        </button>
      </form>
      <Filters address={address} label="Sessions to search" fields={FIELDS} />
      {found.error && <Failure text={found.error} />}
      <Status>{found.state === "done" ? count(found.hits.length, "hit") : ""}</Status>
      {wanted !== "" && !found.error && (
        <p class="faint summary">
          {found.state === "searching" ? "Searching… " : ""}
          {count(found.hits.length, "hit")} in {count(groups.length, "session")}
          {found.state === "done" && !found.complete ? "; there are more: narrow it down to see them" : ""}
        </p>
      )}
      {wanted !== "" && found.state === "done" && found.hits.length === 0 && !found.error && (
        <Nothing>It stands nowhere, as far as recordings hold text.</Nothing>
      )}
      <ol class="hits">
        {groups.map((group) => (
          <Group key={group[0]?.id} hits={group} wanted={wanted} />
        ))}
      </ol>
    </div>
  );
}

function Group({ hits, wanted }: { hits: Hit[]; wanted: string }) {
  const first = hits[0];
  if (!first) return null;
  return (
    <li>
      <h2>
        <a href={toSession(first.id)}>
          {first.user === null ? "nobody" : visible(first.user)}
          <span class="faint"> {first.start ? when(first.start) : ""}</span>
        </a>
      </h2>
      <ul>
        {hits.map((hit, index) => (
          <li key={index}>
            <a href={toSession(hit.id, { channel: hit.channel, program: hit.program, at: hit.at })}>
              <span class="hit-at">{hit.at === null ? "" : clock(hit.at)}</span>
              <span class="hit-kind">{visible(hit.kind)}</span>
              <code>
                <Marked line={visible(hit.line)} wanted={wanted} />
              </code>
            </a>
          </li>
        ))}
      </ul>
    </li>
  );
}

/** A line in which what was searched stands out. */
function Marked({ line, wanted }: { line: string; wanted: string }) {
  const at = line.toLowerCase().indexOf(wanted.toLowerCase());
  if (at < 0 || wanted === "") return <>{line}</>;
  const end = at + wanted.length;
  return (
    <>
      {line.slice(Math.max(0, at - 200), at)}
      <mark>{line.slice(at, end)}</mark>
      {line.slice(end, end + 400)}
    </>
  );
}

interface Found {
  hits: Hit[];
  state: "none" | "searching" | "done";
  complete: boolean;
  error: string | null;
}

const NONE: Found = { hits: [], state: "none", complete: true, error: null };

/** Hits as they come. */
function useSearch(wanted: string, query: URLSearchParams): Found {
  const [found, setFound] = useState<Found>(NONE);
  const asked = new URLSearchParams({ q: wanted, limit: String(MOST) });
  for (const { name } of FIELDS) {
    const value = query.get(name);
    if (value) asked.set(name, value);
  }
  const address = at(`/search?${asked}`);
  useEffect(() => {
    if (wanted === "") return setFound(NONE);
    const control = new AbortController();
    setFound({ ...NONE, state: "searching" });
    search(address, control.signal, (hits) => setFound((old) => ({ ...old, hits: [...old.hits, ...hits] })))
      .then((complete) => setFound((old) => ({ ...old, state: "done", complete })))
      .catch((error: Error) => {
        if (!control.signal.aborted) setFound((old) => ({ ...old, state: "done", error: error.message }));
      });
    return () => control.abort();
  }, [address]);
  return found;
}

/** Asks, and hands on the hits as they come; whether these are all. */
async function search(address: string, signal: AbortSignal, push: (hits: Hit[]) => void): Promise<boolean> {
  const answer = await ask(address, { signal });
  if (!answer.headers.get("Content-Type")?.includes("ndjson")) {
    const all = (await answer.json()) as { hits: Hit[]; complete: boolean };
    push(all.hits);
    return all.complete;
  }
  let complete = true;
  for await (const line of lines(answer)) {
    const value = JSON.parse(line) as Hit | { complete: boolean } | { error: string };
    if ("error" in value) throw new Error(value.error);
    if ("id" in value) push([value]);
    else complete = value.complete;
  }
  return complete;
}

/** Hits of the same session together, in the order in which they came. */
function grouped(hits: Hit[]): Hit[][] {
  const groups = new Map<string, Hit[]>();
  for (const hit of hits) groups.set(hit.id, [...(groups.get(hit.id) ?? []), hit]);
  return [...groups.values()];
}
