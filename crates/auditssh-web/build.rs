//! Builds the pages of the viewer with npm, into the folder that the program embeds.
//!
//! `AUDITSSH_UI` names a folder of pages that are built already, or is `none`. Without it and
//! without npm the folder is empty, and the program says so when it is asked for the viewer.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// What the pages are made of.
const INPUTS: [&str; 5] = [
    "build.mjs",
    "index.html",
    "package-lock.json",
    "package.json",
    "src",
];

fn main() -> io::Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let pages = out.join("ui");
    println!("cargo:rerun-if-env-changed=AUDITSSH_UI");
    println!("cargo:rerun-if-changed=build.rs");
    if pages.exists() {
        fs::remove_dir_all(&pages)?;
    }
    fs::create_dir_all(&pages)?;
    if let Some(built) = env::var_os("AUDITSSH_UI") {
        if built == "none" {
            return Ok(());
        }
        let built = PathBuf::from(built);
        println!("cargo:rerun-if-changed={}", built.display());
        return copy(&built, &pages);
    }
    let source = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("ui");
    for input in INPUTS {
        println!("cargo:rerun-if-changed={}", source.join(input).display());
    }
    if Command::new("npm").arg("--version").output().is_err() {
        println!("cargo:warning=npm is missing: the viewer is built without its pages");
        return Ok(());
    }
    install(&source, &out)?;
    let target = pages.display().to_string();
    npm(&source, &["run", "build", "--", &target])
}

/// Fetches what the lock file names, unless that is there already.
fn install(source: &Path, out: &Path) -> io::Result<()> {
    let wanted = fs::read(source.join("package-lock.json"))?;
    let installed = out.join("installed");
    let is_there = source.join("node_modules").is_dir();
    if is_there && fs::read(&installed).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    let options = ["--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"];
    npm(source, &[&["ci"], &options[..]].concat())?;
    fs::write(installed, wanted)
}

fn npm(source: &Path, arguments: &[&str]) -> io::Result<()> {
    let done = Command::new("npm")
        .args(arguments)
        .current_dir(source)
        .output()?;
    if done.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "`npm {}` in {} failed; AUDITSSH_UI=none builds the program without the viewer's pages:\n{}{}",
        arguments.join(" "),
        source.display(),
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr),
    )))
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy(&source, &target)?;
        } else {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}
