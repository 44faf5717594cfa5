import type { Me } from "../api";
import type { Theme } from "../theme";
import { visible } from "../visible";
import { Icon } from "./icon";
import { Menu } from "./menu";

/** The bar at the top of every page. */
export function Header(props: {
  me: Me | null;
  path: string;
  theme: Theme;
  onTheme: () => void;
  onHelp: () => void;
  onLogOut: () => void;
}) {
  const themes = { system: "half", light: "sun", dark: "moon" } as const;
  const current = (path: string) => (props.path === path ? "page" : undefined);
  return (
    <header class="bar">
      <a class="brand" href="/">
        <Brand />
        <span>
          Audit<b>SSH</b>
        </span>
      </a>
      {props.me && (
        <nav aria-label="Pages">
          <a href="/" aria-current={current("/")}>
            Sessions
          </a>
          <a href="/search" aria-current={current("/search")}>
            Search
          </a>
          {props.me.role === "admin" && (
            <a href="/access" aria-current={current("/access")}>
              Access
            </a>
          )}
        </nav>
      )}
      <div class="bar-end">
        <button class="quiet" type="button" onClick={props.onTheme} title={`Colours: ${props.theme} (t)`}>
          <Icon name={themes[props.theme]} />
          <span class="sr">Colours: {props.theme}</span>
        </button>
        <button class="quiet" type="button" onClick={props.onHelp} title="Keys (?)">
          <Icon name="help" />
          <span class="sr">Help and keys</span>
        </button>
        {props.me && (
          <Menu label={visible(props.me.user)} icon="user" kind="quiet">
            <p class="menu-note">
              <b>{visible(props.me.user)}</b>
              <br />
              {visible(props.me.role)}
            </p>
            <button type="button" onClick={props.onLogOut}>
              Log out
            </button>
          </Menu>
        )}
      </div>
    </header>
  );
}

function Brand() {
  return (
    <svg class="brand-mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" />
      <path d="M8 10.500l5.500 5.500L8 21.500" />
      <circle cx="21.500" cy="20" r="4" />
    </svg>
  );
}
