// asciicast v2: a header, then an event a line.
import { lines } from "../api";

/** An event of a cast: seconds from the start, kind, data. */
export type CastEvent = [at: number, kind: string, data: string];

/** What a cast begins with. */
export interface Size {
  columns: number;
  rows: number;
}

/** The largest cast that is taken into a page at once. */
export const MOST_BYTES = 256 * 1024 * 1024;

/** Reads a cast as it comes. Lines that are none are left out. */
export async function readCast(
  answer: Response,
  begin: (size: Size) => void,
  push: (events: CastEvent[]) => void,
  progress: (bytes: number) => void,
): Promise<"whole" | "cut"> {
  let [bytes, begun] = [0, false];
  let batch: CastEvent[] = [];
  for await (const line of lines(answer)) {
    bytes += line.length + 1;
    const value = parse(line);
    if (!begun) {
      begun = true;
      const header = (value ?? {}) as { width?: number; height?: number };
      begin(sized(header.width, header.height));
    } else if (isEvent(value)) {
      batch.push(value);
    }
    if (batch.length >= 4096) {
      push(batch);
      batch = [];
      progress(bytes);
      await new Promise((next) => setTimeout(next));
    }
    if (bytes > MOST_BYTES) {
      push(batch);
      await answer.body?.cancel().catch(() => undefined);
      return "cut";
    }
  }
  push(batch);
  return "whole";
}

/** The size that a resize asks for, if it is one. */
export function resized(data: string): Size | null {
  const match = /^(\d{1,4})x(\d{1,4})$/.exec(data);
  return match ? sized(Number(match[1]), Number(match[2])) : null;
}

/** A size within what can be shown. */
export function sized(columns: number | undefined, rows: number | undefined): Size {
  const within = (value: number | undefined, usual: number, most: number) =>
    value !== undefined && Number.isInteger(value) && value > 0 ? Math.min(value, most) : usual;
  return { columns: within(columns, 80, 1000), rows: within(rows, 24, 500) };
}

/** Whether something is an event of a cast. */
export function isEvent(value: unknown): value is CastEvent {
  return (
    Array.isArray(value) &&
    value.length === 3 &&
    Number.isFinite(value[0]) &&
    typeof value[1] === "string" &&
    typeof value[2] === "string"
  );
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
