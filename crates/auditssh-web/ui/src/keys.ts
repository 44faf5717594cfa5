// Keys that do something wherever the focus is, unless something else wants them.
import { useEffect } from "preact/hooks";

/** What keys do; a key is named as in `KeyboardEvent.key`, two in a row as `g s`. */
export type Keys = Record<string, () => void>;

const SWITCH = "keys";
const layers: { current: Keys }[] = [];
let first = "";

/** Whether keys without a modifier do anything. */
export function keysAreOn(): boolean {
  return localStorage.getItem(SWITCH) !== "off";
}

/** Turns them on or off. */
export function turnKeys(on: boolean): void {
  if (on) localStorage.removeItem(SWITCH);
  else localStorage.setItem(SWITCH, "off");
}

/** Gives keys a meaning while something is shown. What came last comes first. */
export function useKeys(keys: Keys): void {
  const layer = { current: keys };
  useEffect(() => {
    layers.push(layer);
    return () => void layers.splice(layers.indexOf(layer), 1);
  });
}

/** Listens for them, before anything else does. */
export function listenForKeys(): void {
  window.addEventListener("keydown", pressed, { capture: true });
}

function pressed(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !keysAreOn()) return;
  if (document.querySelector("dialog[open]") || isTaken(event)) return;
  const key = event.shiftKey && event.key.startsWith("Arrow") ? `Shift+${event.key}` : event.key;
  const pair = `${first} ${key}`;
  first = "";
  for (const layer of [...layers].reverse()) {
    const action = layer.current[pair] ?? layer.current[key];
    if (!action) continue;
    event.preventDefault();
    event.stopPropagation();
    action();
    return;
  }
  if (layers.some((layer) => Object.keys(layer.current).some((name) => name.startsWith(`${key} `)))) first = key;
}

/** Whether what has the focus needs the key itself. */
function isTaken(event: KeyboardEvent): boolean {
  const target = event.target;
  if (!(target instanceof HTMLElement)) return false;
  if (target.closest("input:not([type=checkbox], [type=range]), textarea, select")) return true;
  const acts = event.key === " " || event.key === "Enter";
  if (acts) return target.closest("a, button, input:not([type=range]), summary, [role=tab]") !== null;
  const moves = event.key.startsWith("Arrow") || event.key === "Home" || event.key === "End";
  return moves && target.closest("input, [role=tablist], [data-arrows]") !== null;
}
