import { useEffect, useState } from "preact/hooks";
import { type Logins, type Me, Refused, SIGNED_OUT, at, read, send } from "./api";
import { useKeys } from "./keys";
import { AccessPage } from "./pages/access";
import { ListPage } from "./pages/list";
import { LoginPage } from "./pages/login";
import { SearchPage } from "./pages/search";
import { SessionPage } from "./pages/session";
import { Header } from "./parts/header";
import { Help } from "./parts/help";
import { Failure } from "./parts/notice";
import { go, useAddress } from "./route";
import { chooseTheme, chosenTheme, nextTheme } from "./theme";

/** Who is logged in, as far as it is known. */
type Login = "asking" | { me: Me } | { ways: Logins } | { failed: string };

/** The viewer. */
export function App() {
  const [login, setLogin] = useState<Login>("asking");
  const [theme, setTheme] = useState(chosenTheme());
  const [help, setHelp] = useState(false);
  const address = useAddress();

  const ask = () => whoIsIn().then(setLogin);
  useEffect(() => {
    void ask();
    const out = () => void ask();
    window.addEventListener(SIGNED_OUT, out);
    return () => window.removeEventListener(SIGNED_OUT, out);
  }, []);
  const isIn = typeof login === "object" && "me" in login;
  const isOut = typeof login === "object" && "ways" in login;
  useEffect(() => {
    if (isOut && address.pathname !== "/login") {
      go(`/login?next=${encodeURIComponent(address.pathname + address.search)}`, "replace");
    } else if (isIn && address.pathname === "/login") {
      go(after(address), "replace");
    }
  }, [isIn, isOut, address.href]);

  const switchTheme = () => {
    chooseTheme(nextTheme(theme));
    setTheme(chosenTheme());
  };
  useKeys({ "?": () => setHelp(true), t: switchTheme, "g s": () => isIn && go("/"), "g f": () => isIn && go("/search") });

  const logOut = async () => {
    await send(at("/logout"), {}).catch(() => undefined);
    await ask();
  };
  return (
    <>
      <a class="skip" href="#content" onClick={skip}>
        Skip to content
      </a>
      <Header
        me={isIn ? login.me : null}
        path={address.pathname}
        theme={theme}
        onTheme={switchTheme}
        onHelp={() => setHelp(true)}
        onLogOut={() => void logOut()}
      />
      <main id="content" tabIndex={-1}>
        <Content login={login} address={address} onLogin={ask} />
      </main>
      <Help open={help} version={isIn ? login.me.version : undefined} onClose={() => setHelp(false)} />
    </>
  );
}

function Content(props: { login: Login; address: URL; onLogin: () => Promise<void> }) {
  const { login, address } = props;
  if (login === "asking") return null;
  if ("failed" in login) return <Failure text={login.failed} onAgain={() => void props.onLogin()} />;
  if ("ways" in login) return <LoginPage ways={login.ways} onDone={props.onLogin} />;
  const path = address.pathname;
  const session = /^\/sessions\/([0-9a-f]{32})\/?$/.exec(path);
  if (path === "/") return <ListPage address={address} />;
  if (path === "/search") return <SearchPage address={address} />;
  if (path === "/access") return <AccessPage />;
  if (session?.[1]) return <SessionPage key={session[1]} id={session[1]} address={address} />;
  if (path === "/login") return null;
  return <Failure text="There is no such page." />;
}

async function whoIsIn(): Promise<Login> {
  try {
    return { me: await read<Me>(at("/me")) };
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 401) return { failed: (error as Error).message };
    const ways = error.body.login as Partial<Logins> | undefined;
    return { ways: { password: ways?.password ?? true, oidc: ways?.oidc ?? false } };
  }
}

/** Where to go after a login: a page of this viewer, nothing else. */
function after(address: URL): string {
  const next = new URL(address.searchParams.get("next") ?? "/", location.origin);
  return next.origin === location.origin && next.pathname !== "/login" ? next.pathname + next.search : "/";
}

function skip(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById("content")?.focus();
}
