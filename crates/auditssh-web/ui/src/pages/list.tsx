import { useEffect, useRef } from "preact/hooks";
import { type Sessions, at } from "../api";
import { count } from "../format";
import { useKeys } from "../keys";
import { useLoad } from "../load";
import { type Field, Filters, focusFilters } from "../parts/filters";
import { Failure, Nothing, Status } from "../parts/notice";
import { Pager } from "../parts/pager";
import { SessionTable, moveLine } from "../parts/sessions";
import { listen } from "../stream";

const FIELDS: Field[] = [
  { name: "user", label: "User", hint: "alice or ali*" },
  { name: "address", label: "Address", hint: "192.0.2.7 or 10.0.0.0/8" },
  { name: "command", label: "Command", hint: "part of it" },
  { name: "text", label: "Text", hint: "typed or on the screen" },
  { name: "from", label: "From", kind: "time" },
  { name: "to", label: "To", kind: "time" },
];
const CHECKS = [
  { name: "files", label: "With files" },
  { name: "failed", label: "With failures" },
  { name: "live", label: "Running" },
];
const TAKEN = [...FIELDS, ...CHECKS].map(({ name }) => name);

/** All sessions, those that run at the top. */
export function ListPage({ address }: { address: URL }) {
  const query = address.searchParams;
  const onlyLive = query.get("live") === "true";
  const page = Number(query.get("page") ?? "1") || 1;
  const live = useLoad<Sessions>(onlyLive || page > 1 ? null : listed(query, { live: "true", limit: "20" }));
  const list = useLoad<Sessions>(listed(query, onlyLive ? {} : { live: "false" }));
  useChanges(() => {
    live.again();
    list.again();
  });
  useEffect(() => {
    document.title = "Sessions – AuditSSH";
  }, []);
  const turn = (rel: string) => document.querySelector<HTMLElement>(`.pager [rel=${rel}]`)?.click();
  useKeys({
    "/": focusFilters,
    j: () => moveLine(1),
    k: () => moveLine(-1),
    n: () => turn("next"),
    p: () => turn("prev"),
  });

  const running = !onlyLive && page === 1 ? (live.value?.items ?? []) : [];
  const runs = new Set(running.map((session) => session.id));
  const items = (list.value?.items ?? []).filter((session) => !runs.has(session.id));
  const total = (list.value?.total ?? 0) + (onlyLive || page > 1 ? 0 : (live.value?.total ?? 0));
  const filtered = TAKEN.some((name) => query.get(name));
  return (
    <div class="page list" aria-busy={list.loading}>
      <div class="head">
        <h1>Sessions</h1>
        {list.value && <p class="faint">{count(total, "session")}{filtered ? " found" : ""}</p>}
      </div>
      <Filters address={address} label="Sessions" fields={FIELDS} checks={CHECKS} />
      <Status>{list.loading ? "" : count(total, "session")}</Status>
      {list.error && <Failure text={list.error} onAgain={list.again} />}
      {items.length + running.length > 0 && <SessionTable address={address} live={running} items={items} />}
      {list.value && items.length + running.length === 0 && (
        <Nothing>
          {filtered
            ? "No session is like that. Take a filter away?"
            : "No session is recorded yet. Log in through the server, and it appears here."}
        </Nothing>
      )}
      {list.value && <Pager total={list.value.total} page={page} limit={list.value.limit} />}
    </div>
  );
}

/** The address of a part of the list. */
function listed(query: URLSearchParams, set: Record<string, string>): string {
  const asked = new URLSearchParams();
  for (const name of [...TAKEN, "sort", "order", "page"]) {
    const value = query.get(name);
    if (value) asked.set(name, value);
  }
  for (const [name, value] of Object.entries(set)) asked.set(name, value);
  return at(`/sessions?${asked}`);
}

/** Calls back when sessions begin, change or end, but not more than once a second. */
function useChanges(callback: () => void): void {
  const latest = useRef(callback);
  latest.current = callback;
  useEffect(() => {
    let timer = 0;
    const fire = () => {
      timer = 0;
      latest.current();
    };
    const stop = listen(at("/live"), {
      message: () => {
        if (timer === 0) timer = window.setTimeout(fire, 1000);
      },
    });
    return () => {
      stop();
      window.clearTimeout(timer);
    };
  }, []);
}
