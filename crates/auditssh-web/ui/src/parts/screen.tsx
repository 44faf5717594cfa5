import { create } from "asciinema-player";
import { useEffect, useRef } from "preact/hooks";
import { type Size, resized } from "../play/cast";
import type { Tape } from "../play/tape";

/** The terminal of a tape. */
export default function Screen({ tape, wide, loaded }: { tape: Tape; wide: boolean; loaded: boolean }) {
  const place = useRef<HTMLDivElement>(null);
  const { columns, rows } = largest(tape);
  useEffect(() => {
    if (!place.current) return;
    const player = create(tape.driver as never, place.current, {
      autoPlay: true,
      controls: false,
      cols: tape.size.columns,
      rows: tape.size.rows,
      fit: wide ? "none" : "both",
      theme: "auditssh",
      terminalFontFamily: "var(--mono)",
      terminalFontSize: "14px",
      keystrokeOverlay: false,
    });
    return () => player.dispose();
  }, [tape, wide, loaded]);
  return (
    <div
      class={`screen ${wide ? "wide" : ""}`}
      ref={place}
      role="region"
      aria-label="Terminal"
      tabIndex={wide ? 0 : undefined}
      style={wide ? {} : { aspectRatio: `${columns * 0.6} / ${rows * 1.3334}` }}
    />
  );
}

/** The largest size that the terminal ever has: so much room is kept for it. */
function largest(tape: Tape): Size {
  const size = { ...tape.size };
  for (const event of tape.events) {
    const next = event[1] === "r" ? resized(event[2]) : null;
    if (!next) continue;
    size.columns = Math.max(size.columns, next.columns);
    size.rows = Math.max(size.rows, next.rows);
  }
  return size;
}
