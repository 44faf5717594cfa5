// Builds the viewer: `node build.mjs [FOLDER]` writes FOLDER/index.html, favicon.svg and assets. Without FOLDER it is
// what AUDITSSH_UI_OUT names, or dist.
// Every asset carries a hash of its content in its name, so that it may be cached for ever.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const folder = resolve(process.argv[2] ?? process.env.AUDITSSH_UI_OUT ?? join(here, "dist"));
const assets = join(folder, "assets");

await rm(assets, { recursive: true, force: true });
await mkdir(assets, { recursive: true });

const notices = await asset("licences.txt", await licences());
await copyFile(join(here, "src/icon.svg"), join(folder, "favicon.svg"));
const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: { main: "src/main.tsx" },
  outdir: assets,
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  target: ["es2022", "chrome123", "firefox128", "safari17.5"],
  jsx: "automatic",
  jsxImportSource: "preact",
  define: { LICENCES: JSON.stringify(`/assets/${notices}`) },
  minify: true,
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
});

const main = Object.entries(metafile.outputs).find(([, made]) => made.entryPoint === "src/main.tsx");
const [script, { cssBundle }] = main;
const page = await readFile(join(here, "index.html"), "utf8");
await writeFile(
  join(folder, "index.html"),
  page
    .replace("STYLE", `/assets/${basename(cssBundle)}`)
    .replace("SCRIPT", `/assets/${basename(script)}`),
);

/** Writes an asset under a name with its hash; the name. */
async function asset(name, content) {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 8);
  const [stem, extension] = name.split(".");
  const hashed = `${stem}-${hash}.${extension}`;
  await writeFile(join(assets, hashed), content);
  return hashed;
}

/** The licences of the packages whose code is part of what is built. */
async function licences() {
  const texts = [];
  for (const name of ["preact", "asciinema-player", "solid-js"]) {
    const place = join(here, "node_modules", name);
    const { version, license } = JSON.parse(await readFile(join(place, "package.json"), "utf8"));
    const file = (await readdir(place)).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file ? await readFile(join(place, file), "utf8") : "";
    texts.push(`${name} ${version} (${license})\n\n${text.trim()}\n`);
  }
  return texts.join(`\n${"-".repeat(72)}\n\n`);
}
