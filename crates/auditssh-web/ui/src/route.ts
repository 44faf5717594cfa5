// Where the page is: the address bar is the only place that knows.
import { useEffect, useState } from "preact/hooks";

const MOVED = "moved";

/** Goes to an address of the viewer. */
export function go(address: string, how: "push" | "replace" = "push"): void {
  if (address === location.pathname + location.search) return;
  history[how === "push" ? "pushState" : "replaceState"](null, "", address);
  window.dispatchEvent(new CustomEvent(MOVED));
}

/** The address, current whenever it changes. */
export function useAddress(): URL {
  const [address, setAddress] = useState(location.href);
  useEffect(() => {
    const moved = () => setAddress(location.href);
    window.addEventListener(MOVED, moved);
    window.addEventListener("popstate", moved);
    return () => {
      window.removeEventListener(MOVED, moved);
      window.removeEventListener("popstate", moved);
    };
  }, []);
  return new URL(address);
}

/** The current address with parameters changed; an empty one is left out. */
export function changed(changes: Record<string, string | number | null>, path = location.pathname): string {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") query.delete(name);
    else query.set(name, String(value));
  }
  const text = query.toString();
  return text === "" ? path : `${path}?${text}`;
}

/** The page of a session, at a moment of a program. */
export function toSession(id: string, place: Record<string, string | number | null> = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(place)) if (value !== null) query.set(name, String(value));
  const text = query.toString();
  return `/sessions/${encodeURIComponent(id)}${text === "" ? "" : `?${text}`}`;
}

/** Follows links within the viewer without loading it anew. */
export function followLinks(): void {
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
    if (!(link instanceof HTMLAnchorElement) || link.target !== "" || link.hasAttribute("download")) return;
    if (link.origin !== location.origin || !isPage(link.pathname)) return;
    event.preventDefault();
    go(link.pathname + link.search);
    window.scrollTo(0, 0);
  });
}

function isPage(path: string): boolean {
  return path === "/" || path === "/search" || path === "/access" || path === "/login" || path.startsWith("/sessions/");
}
