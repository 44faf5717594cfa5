import { useEffect } from "preact/hooks";
import { type Look, at } from "../api";
import { when } from "../format";
import { useLoad } from "../load";
import { Failure, Nothing } from "../parts/notice";
import { toSession } from "../route";
import { visible } from "../visible";

/** Who looked at what. */
export function AccessPage() {
  const list = useLoad<{ items: Look[] }>(at("/access?limit=200"));
  useEffect(() => {
    document.title = "Access – AuditSSH";
  }, []);
  return (
    <div class="page access">
      <div class="head">
        <h1>Access</h1>
        <p class="faint">who looked at which recording, the latest first</p>
      </div>
      {list.error && <Failure text={list.error} onAgain={list.again} />}
      {list.value?.items.length === 0 && <Nothing>Nobody has looked at anything yet.</Nothing>}
      {list.value && list.value.items.length > 0 && (
        <div class="scrolls" tabIndex={0} role="region" aria-label="Looks at recordings">
          <table>
            <thead>
              <tr>
                {["When", "Who", "From", "What", "Recording"].map((title) => (
                  <th key={title} scope="col">
                    {title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {list.value.items.map((look, index) => (
                <Row key={index} look={look} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}

function Row({ look }: { look: Look }) {
  return (
    <tr>
      <td>
        <time dateTime={look.time}>{when(look.time)}</time>
      </td>
      <td>
        <b>{visible(look.user)}</b> <span class="faint">{visible(look.role)}</span>
      </td>
      <td>{visible(look.address)}</td>
      <td>
        {visible(look.action)} <span class="faint">{visible(look.detail ?? "")}</span>
        {!look.allowed && <span class="badge bad">refused</span>}
      </td>
      <td>
        {look.connection && (
          <a href={toSession(look.connection)}>
            <code>{visible(look.connection)}</code>
          </a>
        )}
      </td>
    </tr>
  );
}
