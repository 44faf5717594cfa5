// The client ssh2, of Node.js: does what it is told, and prints what it got as JSON.
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import ssh2 from "ssh2";

const told = JSON.parse(process.argv[2]);
const client = new ssh2.Client();
const call = (object, method, ...args) => promisify(object[method].bind(object))(...args);

// Everything of a channel until it is closed.
function all(channel) {
  const got = { stdout: [], stderr: [] };
  channel.on("data", (data) => got.stdout.push(data));
  channel.stderr.on("data", (data) => got.stderr.push(data));
  channel.on("exit", (status, signal) => Object.assign(got, { status, signal }));
  const text = (name) => Buffer.concat(got[name]).toString("base64");
  return new Promise((done) => {
    channel.on("close", () => done({ ...got, stdout: text("stdout"), stderr: text("stderr") }));
  });
}

const actions = {
  async command() {
    const sent = readFileSync(told.input);
    const run = async (command) => {
      const channel = await call(client, "exec", command);
      channel.end(sent);
      return all(channel);
    };
    return Promise.all(told.commands.map(run));
  },
  async terminal() {
    const size = { term: "vt220", cols: 90, rows: 33 };
    const channel = await call(client, "shell", size, { env: { LC_WORD: "some words" } });
    channel.setWindow(34, 91, 0, 0);
    channel.write(told.typed);
    return all(channel);
  },
  async signal() {
    const channel = await call(client, "exec", told.command);
    channel.once("data", () => channel.signal("TERM"));
    return all(channel);
  },
  async files() {
    const sftp = await call(client, "sftp");
    await call(sftp, "fastPut", told.input, told.there, { concurrency: 64 });
    await call(sftp, "fastGet", told.there, told.back, { concurrency: 64 });
    await call(sftp, "rename", told.there, `${told.there}.old`);
    sftp.end();
    return {};
  },
};

const methods = told.logins.map((login) => ({
  username: "alice",
  ...login,
  ...(login.key ? { key: readFileSync(login.key) } : {}),
  ...(login.answer ? { prompt: (name, text, language, questions, done) => done(questions.map(() => login.answer)) } : {}),
}));

client.on("error", (error) => {
  console.log(JSON.stringify({ error: error.message }));
  process.exit(1);
});
client.on("ready", async () => {
  console.log(JSON.stringify(await actions[told.action]()));
  client.end();
});
client.connect({
  host: "127.0.0.1",
  port: told.port,
  username: "alice",
  authHandler: methods,
  hostVerifier: (key) => key.toString("base64") === told.hostKey,
});
