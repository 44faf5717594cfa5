import type { Session } from "../api";
import { count, lasted, size, when } from "../format";
import { changed, go, toSession } from "../route";
import { visible } from "../visible";
import { ExitBadge, State, What } from "./badges";

const COLUMNS: [string, string | null][] = [
  ["Began", "start"],
  ["User", "user"],
  ["From", null],
  ["Ran", null],
  ["Lasted", "duration"],
  ["Size", "size"],
  ["", null],
];

/** Sessions in a table; a line leads to its page. */
export function SessionTable(props: { address: URL; live: Session[]; items: Session[] }) {
  return (
    <table class="sessions">
      <thead>
        <tr>
          {COLUMNS.map(([title, sort]) => (
            <Column key={title} title={title} sort={sort} query={props.address.searchParams} />
          ))}
        </tr>
      </thead>
      {props.live.length > 0 && <Group title="Running now" items={props.live} />}
      {props.items.length > 0 && <Group title={props.live.length > 0 ? "Recorded" : null} items={props.items} />}
    </table>
  );
}

function Column({ title, sort, query }: { title: string; sort: string | null; query: URLSearchParams }) {
  if (title === "") {
    return (
      <th scope="col">
        <span class="sr">State</span>
      </th>
    );
  }
  if (sort === null) return <th scope="col">{title}</th>;
  const current = (query.get("sort") ?? "start") === sort;
  const descends = (query.get("order") ?? "desc") === "desc";
  const order = current && descends ? "asc" : null;
  return (
    <th scope="col" aria-sort={current ? (descends ? "descending" : "ascending") : undefined}>
      <a href={changed({ sort: sort === "start" ? null : sort, order, page: null })}>
        {title}
        <span class="arrow" aria-hidden="true">
          {current ? (descends ? "↓" : "↑") : ""}
        </span>
      </a>
    </th>
  );
}

function Group({ title, items }: { title: string | null; items: Session[] }) {
  return (
    <tbody>
      {title !== null && (
        <tr class="group">
          <th colSpan={COLUMNS.length} scope="rowgroup">
            {title}
          </th>
        </tr>
      )}
      {items.map((item) => (
        <Row key={item.id} session={item} />
      ))}
    </tbody>
  );
}

function Row({ session }: { session: Session }) {
  const { start, user, address, country, programs, bytes } = session;
  const first = programs[0];
  const ran = Math.max(session.programCount ?? 0, programs.length);
  const where = toSession(session.id);
  const open = (event: MouseEvent) => {
    const on = event.target;
    if (event.defaultPrevented || (on instanceof Element && on.closest("a")) || getSelection()?.toString()) return;
    go(where);
    window.scrollTo(0, 0);
  };
  return (
    <tr class={session.state === "open" ? "row live" : "row"} onClick={open}>
      <td class="began">
        <a href={where}>{start ? <time dateTime={start}>{when(start)}</time> : "unknown"}</a>
      </td>
      <td class="user">{user === null ? <i>nobody</i> : visible(user)}</td>
      <td class="from">
        {visible(address ?? "")}
        {country && country !== "XX" && <span class="country"> {visible(country)}</span>}
      </td>
      <td class="ran">
        {first ? <What program={first} /> : <span class="faint">nothing</span>}
        {ran > 1 && <span class="more"> +{ran - 1}</span>}
      </td>
      <td class="lasted">{lasted(session.duration ?? sofar(session))}</td>
      <td class="size">{size(bytes.stdin + bytes.stdout + bytes.stderr)}</td>
      <td class="states">
        <State state={session.state} />
        {session.authenticated === false && session.state !== "open" && <span class="badge warn">no login</span>}
        {first && <ExitBadge exit={first.exit} />}
        {session.files > 0 && <span class="badge">{count(session.files, "file")}</span>}
        {session.failed > 0 && <span class="badge bad">{session.failed} failed</span>}
      </td>
    </tr>
  );
}

/** How long a session runs by now. */
function sofar({ state, start }: Session): number | null {
  return state === "open" && start ? Math.max(0, (Date.now() - Date.parse(start)) / 1000) : null;
}

/** Moves the focus to the next or the previous line. */
export function moveLine(direction: 1 | -1): void {
  const links = [...document.querySelectorAll<HTMLElement>("tr.row .began a, .hits a")];
  const at = links.indexOf(document.activeElement as HTMLElement);
  const next = at < 0 ? (direction > 0 ? 0 : links.length - 1) : at + direction;
  links[Math.min(Math.max(next, 0), links.length - 1)]?.focus();
}
