// Something that is asked for, and where that stands.
import { useEffect, useRef, useState } from "preact/hooks";
import { read } from "./api";

/** What is there by now. */
export interface Loaded<T> {
  value: T | null;
  error: string | null;
  loading: boolean;
  again: () => void;
}

/**
 * Reads an address, and again in every new turn; what was read before stays until the new is there.
 * `null` reads nothing.
 */
export function useLoad<T>(address: string | null, outer = 0): Loaded<T> {
  const [turn, setTurn] = useState(0);
  const [state, setState] = useState<{ of: string | null; value: T | null; error: string | null }>({
    of: null,
    value: null,
    error: null,
  });
  const [loading, setLoading] = useState(address !== null);
  const latest = useRef(address);
  latest.current = address;
  useEffect(() => {
    if (address === null) return;
    const control = new AbortController();
    setLoading(true);
    read<T>(address, control.signal)
      .then((value) => setState({ of: address, value, error: null }))
      .catch((error: Error) => {
        if (!control.signal.aborted) setState((old) => ({ ...old, of: address, error: error.message }));
      })
      .finally(() => {
        if (latest.current === address && !control.signal.aborted) setLoading(false);
      });
    return () => control.abort();
  }, [address, turn, outer]);
  return { value: state.value, error: state.error, loading, again: () => setTurn((old) => old + 1) };
}
