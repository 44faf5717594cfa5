// What is asked of the server, and what it answers.

/** Who is logged in. */
export interface Me {
  user: string;
  role: string;
  version?: string;
}

/** Which ways to log in there are. */
export interface Logins {
  password: boolean;
  oidc: boolean;
}

/** How a program ended. */
export type Exit = { status: number } | { signal: string } | Record<string, never> | null;

/** A program in the list. */
export interface Program {
  channel: number;
  what: "shell" | "exec" | "subsystem";
  command: string | null;
  exit: Exit;
}

/** A connection in the list. */
export interface Session {
  id: string;
  user: string | null;
  authenticated?: boolean;
  address: string | null;
  country: string | null;
  client: string | null;
  start: string | null;
  end: string | null;
  duration: number | null;
  state: string;
  programs: Program[];
  programCount?: number;
  files: number;
  failed: number;
  bytes: { stdin: number; stdout: number; stderr: number };
  size: number;
}

/** A page of the list. */
export interface Sessions {
  total: number;
  page: number;
  limit: number;
  items: Session[];
}

/** A program on the page of a connection. */
export interface Ran {
  ran: { shell: true } | { exec: string } | { subsystem: string } | null;
  forced: { command: string; by: string } | null;
  terminal: { term: string; columns: number; rows: number } | null;
  start: string | number;
  nanoseconds: number;
  exit: Exit;
}

/** A channel on the page of a connection. */
export interface Channel {
  channel: number;
  type: string | null;
  purpose: string | null;
  refused: boolean;
  start: string | number;
  end: string | number | null;
  programs: Ran[];
  bytesIn: number;
  bytesOut: number;
  bytesErr: number;
  resizes: number;
}

/** Lines of a kind, and how many more there are. */
export interface Lines {
  lines: { time: string | number; channel: number | null; what: string }[];
  more: number;
}

/** The page of a connection: what `auditssh show --json` prints, and whether it still runs. */
export interface Connection {
  connectionId: string;
  address: string | null;
  country: string | null;
  start: string | null;
  end: string | null;
  user: string | null;
  authenticated: boolean;
  failure: string | null;
  clientVersion: string | null;
  serverVersion: string | null;
  handshake: Record<string, unknown> | null;
  messages: number;
  bytesIn: number;
  bytesOut: number;
  channels: Channel[];
  channelCount: number;
  logins: Lines;
  forwards: Lines;
  files: Lines;
  uploads: { files: number; bytes: number };
  downloads: { files: number; bytes: number };
  odd: Lines;
  maskedBytes: number;
  state: string;
  live: boolean;
  /** Why the log can't be read to its end. */
  problem?: string | null;
}

/** Something that stands on the timeline. */
export interface Marker {
  at: number;
  kind: string;
  label: string;
}

/** The timeline of a program. */
export interface Track {
  channel: number;
  program: number;
  start: string;
  duration: number;
  markers: Marker[];
}

/** A message of the log as a line. */
export interface Event {
  number: number;
  time: string;
  type: string | number;
  channel: number | null;
  text: string;
  json?: unknown;
}

/** A message as it comes while a session runs. */
export interface LiveEvent extends Event {
  cast: CastPart[];
}

/** What a message adds to the cast of a program. A header begins another program. */
export interface CastPart {
  channel: number;
  header: { width?: number; height?: number } | null;
  events: unknown[];
  ends: boolean;
}

/** A list, and how many more there are. */
export interface Listed<T> {
  items: T[];
  more?: number;
}

/** A file of the ledger. */
export interface FileEntry {
  number: number | null;
  channel: number;
  protocol: string;
  action: string;
  path: string;
  start: string;
  end: string;
  result: string;
  reason?: string;
  bytes?: number;
  sha256?: string | null;
  incomplete?: string | null;
  target?: string;
  mode?: string;
  size?: number;
  direction?: string;
  streams?: { in: number; out: number };
}

/** What was typed. */
export interface Typed {
  channel: number;
  at: number;
  time: string;
  text: string;
}

/** A place where the searched text stands. */
export interface Hit {
  id: string;
  channel: number | null;
  program: number | null;
  at: number | null;
  time: string;
  kind: string;
  line: string;
  user: string | null;
  start: string | null;
}

/** Somebody's look at a recording. */
export interface Look {
  time: string;
  user: string;
  role: string;
  address: string;
  action: string;
  connection: string | null;
  detail: string | null;
  allowed: boolean;
}

/** An answer that is not what was asked for. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly body: Record<string, unknown> = {},
  ) {
    super(message);
  }
}

const BASE = "/api/v1";

/** Says that the login is over; the page then asks for another. */
export const SIGNED_OUT = "signed-out";

/** Where something of a session is. */
export function of(id: string, rest = ""): string {
  return `${BASE}/sessions/${encodeURIComponent(id)}${rest}`;
}

/** An address below the API. */
export function at(path: string): string {
  return BASE + path;
}

/** The answer to a request, whatever its form. */
export async function ask(address: string, init: RequestInit = {}): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(address, { credentials: "same-origin", redirect: "error", ...init });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Refused(0, "The server does not answer. Is it running?");
  }
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => ({}));
  const said = typeof body.error === "string" ? body.error : `The server answered ${answer.status}.`;
  if (answer.status === 401 && !address.endsWith("/login") && !address.endsWith("/me")) {
    window.dispatchEvent(new CustomEvent(SIGNED_OUT));
  }
  throw new Refused(answer.status, said, body);
}

/** Reads something as JSON. */
export async function read<T>(address: string, signal?: AbortSignal): Promise<T> {
  const answer = await ask(address, { signal: signal ?? null });
  return (await answer.json()) as T;
}

/** Sends something as JSON. */
export async function send(address: string, body: unknown): Promise<Response> {
  const headers = { "Content-Type": "application/json" };
  return ask(address, { method: "POST", headers, body: JSON.stringify(body) });
}

/** The lines of an answer as they come, without their ends. */
export async function* lines(answer: Response): AsyncGenerator<string> {
  if (!answer.body) return;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const parts = (rest + value).split("\n");
    rest = parts.pop() ?? "";
    yield* parts.filter((part) => part !== "");
  }
  if (rest !== "") yield rest;
}
