// What the server tells by itself (Server-Sent Events).
import { SIGNED_OUT } from "./api";

/** How long to wait after a refusal. Browsers try again by themselves when a connection is lost. */
const PAUSE = 5000;

/** Listens to an address, again and again; ends with what is returned. */
export function listen(address: string, ears: Record<string, (event: MessageEvent) => void>): () => void {
  let source: EventSource;
  let timer = 0;
  const begin = () => {
    source = new EventSource(address);
    for (const [name, ear] of Object.entries(ears)) {
      source.addEventListener(name, (event) => ear(event as MessageEvent));
    }
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) return;
      // Refused: perhaps the login is over. Whoever cares will ask.
      window.dispatchEvent(new CustomEvent(SIGNED_OUT));
      timer = window.setTimeout(begin, PAUSE);
    });
  };
  begin();
  return () => {
    source.close();
    window.clearTimeout(timer);
  };
}
