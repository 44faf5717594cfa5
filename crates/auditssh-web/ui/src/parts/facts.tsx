import type { ComponentChildren } from "preact";
import type { Channel, Connection, Lines } from "../api";
import { lasted, size, timeOfDay, when } from "../format";
import { visible } from "../visible";
import { ExitBadge, What } from "./badges";
import { ranAs } from "./tracks";

/** What is known of a connection. */
export function Facts({ connection }: { connection: Connection }) {
  const { handshake } = connection;
  const said = (name: string) => {
    const value = handshake?.[name];
    return typeof value === "string" ? visible(value) : null;
  };
  return (
    <div class="facts">
      <h2>Who and when</h2>
      <dl>
        <Fact name="User">{connection.user === null ? null : visible(connection.user)}</Fact>
        <Fact name="Login">{connection.authenticated ? said("authMethod") : failure(connection)}</Fact>
        <Fact name="Key">{said("keyFingerprint")}</Fact>
        <Fact name="Certificate">{certificate(handshake?.certificate)}</Fact>
        <Fact name="From">{from(connection)}</Fact>
        <Fact name="Client">{connection.clientVersion && visible(connection.clientVersion)}</Fact>
        <Fact name="Began">{connection.start && <Time time={connection.start} />}</Fact>
        <Fact name="Ended">{connection.end && <Time time={connection.end} />}</Fact>
        <Fact name="Connection">
          <code>{visible(connection.connectionId)}</code>
        </Fact>
      </dl>
      <h2>Encryption</h2>
      <dl>
        <Fact name="Key exchange">{said("kex")}</Fact>
        <Fact name="Host key">{said("hostKey")}</Fact>
        <Fact name="Cipher">{said("cipherClientToServer")}</Fact>
        <Fact name="MAC">{said("macClientToServer")}</Fact>
      </dl>
      <h2>What is recorded</h2>
      <dl>
        <Fact name="Messages">{connection.messages.toLocaleString("en")}</Fact>
        <Fact name="Bytes">
          {size(connection.bytesIn)} from the client, {size(connection.bytesOut)} to it
        </Fact>
        <Fact name="Files">
          {connection.uploads.files} up ({size(connection.uploads.bytes)}), {connection.downloads.files} down (
          {size(connection.downloads.bytes)})
        </Fact>
        <Fact name="Kept out">
          {connection.maskedBytes > 0 && `${connection.maskedBytes} bytes that were typed without echo`}
        </Fact>
      </dl>
      {connection.channels.map((channel) => (
        <ChannelFacts key={channel.channel} channel={channel} />
      ))}
      {connection.channelCount > connection.channels.length && (
        <p class="faint">… and {connection.channelCount - connection.channels.length} more channels</p>
      )}
      <List title="Odd" lines={connection.odd} />
      <List title="Logins" lines={connection.logins} />
      <List title="Forwarding" lines={connection.forwards} />
    </div>
  );
}

function ChannelFacts({ channel }: { channel: Channel }) {
  return (
    <>
      <h2>Channel #{channel.channel}</h2>
      <dl>
        <Fact name="Kind">
          {visible(channel.purpose ?? channel.type ?? "")}
          {channel.refused ? " (refused)" : ""}
        </Fact>
        {channel.programs.map((program, index) => (
          <Fact key={index} name="Ran">
            <What program={ranAs(program)} /> <ExitBadge exit={program.exit} />
            <br />
            <span class="faint">
              {lasted(program.nanoseconds / 1e9)}
              {program.terminal &&
                ` · ${visible(program.terminal.term)} ${program.terminal.columns}×${program.terminal.rows}`}
              {program.forced && ` · forced by ${visible(program.forced.by)}: ${visible(program.forced.command)}`}
            </span>
          </Fact>
        ))}
        <Fact name="Bytes">
          {size(channel.bytesIn)} in, {size(channel.bytesOut)} out, {size(channel.bytesErr)} err
        </Fact>
      </dl>
    </>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  if (children === null || children === undefined || children === false || children === "") return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function List({ title, lines }: { title: string; lines: Lines }) {
  if (lines.lines.length === 0) return null;
  return (
    <>
      <h2>{title}</h2>
      <ul class="lines">
        {lines.lines.map((line, index) => (
          <li key={index}>
            <span class="faint">
              {timeOfDay(String(line.time))} {line.channel === null ? "" : `#${line.channel}`}
            </span>{" "}
            {visible(line.what)}
          </li>
        ))}
        {lines.more > 0 && <li class="faint">… and {lines.more} more</li>}
      </ul>
    </>
  );
}

function Time({ time }: { time: string }) {
  return (
    <time dateTime={time} title={time}>
      {when(time)}
    </time>
  );
}

function from({ address, country }: Connection): string {
  const parts = [address, country === "XX" ? null : country];
  return parts.filter((part) => part !== null).map(visible).join(" · ");
}

function failure(connection: Connection): string {
  return connection.failure === null ? "not logged in" : `refused: ${visible(connection.failure)}`;
}

function certificate(value: unknown): string | null {
  if (typeof value !== "object" || value === null) return null;
  const { serial, keyId, authority } = value as Record<string, unknown>;
  return visible(`${String(keyId)}, serial ${String(serial)}, of ${String(authority)}`);
}
