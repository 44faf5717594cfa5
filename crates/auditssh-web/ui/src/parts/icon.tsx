// Drawings in lines, all on a grid of 24.

const PATHS = {
  play: "M7 4.5v15l12-7.5z",
  pause: "M8 5v14M16 5v14",
  previous: "M19 5.5v13L10 12zM6 5v14",
  next: "M5 5.5v13l9-6.5zM18 5v14",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6 19 19M5 19l1.4-1.4M17.6 6.4 19 5",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
  half: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  help: "M9 9a3 3 0 1 1 4.2 2.8c-.8.4-1.2 1-1.2 1.9v.3M12 17.5v.1M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM20 20l-4-4",
  download: "M12 4v11M7.5 11 12 15.5 16.5 11M5 20h14",
  link: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7l-1 1M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.7l1-1",
  file: "M7 3h7l5 5v13H7zM14 3v5h5",
  up: "M12 20V6M6.5 11.5 12 6l5.5 5.5",
  down: "M12 4v14M6.5 12.5 12 18l5.5-5.5",
  warn: "M12 4 2.8 20h18.4zM12 10v4.5M12 17.3v.1",
  full: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  close: "M6 6l12 12M18 6 6 18",
  user: "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM4.5 20.5c.8-4 3.8-5.5 7.500-5.500s6.700 1.500 7.500 5.500",
  check: "M5 12.500l4.500 4.500L19 7.500",
  skip: "M4 6l7 6-7 6zM13 6l7 6-7 6z",
  prompt: "M5 7l5 5-5 5M12.500 17.500H19",
  fit: "M3 12h18M6.500 8.500 3 12l3.500 3.500M17.500 8.500 21 12l-3.500 3.500",
} as const;

/** The name of a drawing. */
export type IconName = keyof typeof PATHS;

/** A drawing; what it means is said by the text or the label beside it. */
export function Icon({ name }: { name: IconName }) {
  const solid = name === "play" || name === "skip";
  return (
    <svg class={`icon ${solid ? "solid" : ""}`} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
