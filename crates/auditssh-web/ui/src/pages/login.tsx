import { useEffect, useRef, useState } from "preact/hooks";
import { type Logins, Refused, at, send } from "../api";
import { Failure } from "../parts/notice";

/** Asks who is there. */
export function LoginPage({ ways, onDone }: { ways: Logins; onDone: () => Promise<void> }) {
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const password = useRef<HTMLInputElement>(null);
  useEffect(() => {
    document.title = "Log in – AuditSSH";
  }, []);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    setBusy(true);
    setError(null);
    try {
      await send(at("/login"), { user: form.get("user"), password: form.get("password") });
      await onDone();
    } catch (failure) {
      setError(said(failure));
      password.current?.select();
    } finally {
      setBusy(false);
    }
  };
  return (
    <div class="login">
      <h1>Log in</h1>
      <p class="lead">Recordings of SSH sessions. Every look at one is itself recorded.</p>
      {error && <Failure text={error} />}
      {ways.password && (
        <form onSubmit={(event) => void submit(event)}>
          <label>
            User
            <input name="user" autocomplete="username" autocapitalize="none" spellcheck={false} required autofocus />
          </label>
          <label>
            Password
            <input ref={password} name="password" type="password" autocomplete="current-password" required />
          </label>
          <button class="main" type="submit" disabled={busy}>
            {busy ? "Logging in…" : "Log in"}
          </button>
        </form>
      )}
      {ways.oidc && (
        <a class="button" href="/oidc/login">
          Log in with your organisation's account
        </a>
      )}
    </div>
  );
}

function said(failure: unknown): string {
  if (!(failure instanceof Refused)) return String(failure);
  if (failure.status === 401) return "This user and password do not fit.";
  if (failure.status === 429) return "Too many attempts. Wait a little, then try again.";
  return failure.message;
}
