//! Files that services say a user has: put into the container before anything runs there.

use crate::engine::Engine;
use auditssh_gateway::auth::Fact;
use auditssh_gateway::backend::Refused;
use std::collections::BTreeMap;
use std::io::Read as _;

/// Bytes of the longest path.
const PATH_BYTES: usize = 4096;
/// Owners only, as with ContainerSSH's agent.
const MODE: u32 = 0o600;
const PASSWD: &str = "/etc/passwd";

/// Whose a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    uid: u64,
    gid: u64,
}

/// Puts the files into a container in which nothing runs, as files of its user.
pub(crate) async fn put(
    engine: &Engine,
    container: &str,
    user: &str,
    files: &BTreeMap<String, Fact<Vec<u8>>>,
) -> Result<(), Refused> {
    if files.is_empty() {
        return Ok(());
    }
    let owner = match numeric(user) {
        Some(owner) => owner,
        None => look_up(engine, container, user).await?,
    };
    let archive = archive(files, owner)?;
    let put = engine.upload(container, archive).await;
    put.map_err(|failure| Refused::new(format!("files of the user can't be put: {failure}")))
}

/// The owner, if the user of the container says that without a look into it.
fn numeric(user: &str) -> Option<Owner> {
    let (user, group) = user.split_once(':').unwrap_or((user, ""));
    let uid = match user {
        "" | "root" => 0,
        number => number.parse().ok()?,
    };
    match group {
        "" if uid == 0 => Some(Owner { uid, gid: 0 }),
        "" => None,
        group => Some(Owner {
            uid,
            gid: group.parse().ok()?,
        }),
    }
}

async fn look_up(engine: &Engine, container: &str, user: &str) -> Result<Owner, Refused> {
    let unknown = |why: String| {
        Refused::new(format!(
            "files of the user can't be put: whose they are is not known, since {why}; write the \
             user of the container as numbers (`container: {{user: \"1000:1000\"}}`)"
        ))
    };
    let archive = engine.download(container, PASSWD).await;
    let archive = archive.map_err(|failure| unknown(failure.to_string()))?;
    let text = first_file(&archive).ok_or_else(|| unknown(format!("{PASSWD} is no file")))?;
    owner(&text, user).ok_or_else(|| unknown(format!("{PASSWD} does not say it")))
}

/// The text of the only file of an archive.
fn first_file(archive: &[u8]) -> Option<String> {
    let mut archive = tar::Archive::new(archive);
    let mut entry = archive.entries().ok()?.next()?.ok()?;
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).ok()?;
    entry
        .header()
        .entry_type()
        .is_file()
        .then(|| String::from_utf8_lossy(&bytes).into_owned())
}

/// What `passwd` says of a name or number; a group that is given as a number holds.
fn owner(passwd: &str, user: &str) -> Option<Owner> {
    let (user, group) = user.split_once(':').unwrap_or((user, ""));
    let line = passwd.lines().find_map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        let [name, _, uid, gid, ..] = fields[..] else {
            return None;
        };
        (name == user || uid == user).then_some((uid, gid))
    });
    let (uid, gid) = match line {
        Some((uid, gid)) => (uid.parse().ok()?, gid.parse().ok()?),
        None => (user.parse().ok()?, 0),
    };
    let gid = match group {
        "" => gid,
        group => group.parse().ok()?,
    };
    Some(Owner { uid, gid })
}

fn archive(files: &BTreeMap<String, Fact<Vec<u8>>>, owner: Owner) -> Result<Vec<u8>, Refused> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, file) in files {
        let inner = path.strip_prefix('/').filter(|inner| sound(inner));
        let inner = inner.ok_or_else(|| {
            let shown: String = path.chars().take(100).collect();
            Refused::new(format!(
                "a file of the user has a path that can't be used: `{}`; it must be absolute, without \
                 `.` and `..`",
                shown.escape_debug()
            ))
        })?;
        let mut header = tar::Header::new_gnu();
        header.set_size(file.value.len() as u64);
        header.set_mode(MODE);
        header.set_uid(owner.uid);
        header.set_gid(owner.gid);
        header.set_entry_type(tar::EntryType::Regular);
        let added = archive.append_data(&mut header, inner, &file.value[..]);
        added.map_err(|error| Refused::new(format!("files of the user can't be put: {error}")))?;
    }
    let whole = archive.into_inner();
    whole.map_err(|error| Refused::new(format!("files of the user can't be put: {error}")))
}

fn sound(path: &str) -> bool {
    let part = |part: &str| !matches!(part, "" | "." | "..");
    path.len() < PATH_BYTES && !path.contains('\0') && path.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str]) -> BTreeMap<String, Fact<Vec<u8>>> {
        let one = |path: &&str| {
            let fact = Fact {
                value: path.as_bytes().to_vec().into(),
                sensitive: false,
            };
            ((*path).to_owned(), fact)
        };
        paths.iter().map(one).collect()
    }

    #[test]
    fn an_archive_has_the_files_as_the_users_own() {
        let long = format!("/{}/file", "d".repeat(200));
        let owner = Owner { uid: 7, gid: 8 };
        let packed = archive(&files(&["/etc/a", &long]), owner).unwrap();
        let mut read = tar::Archive::new(&packed[..]);
        let mut found = Vec::new();
        for entry in read.entries().unwrap() {
            let mut entry = entry.unwrap();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (7, 8));
            assert_eq!(header.mode().unwrap(), 0o600);
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            assert_eq!(text, format!("/{}", entry.path().unwrap().display()));
            found.push(text);
        }
        assert_eq!(found, [long.as_str(), "/etc/a"]);
    }

    #[test]
    fn paths_lead_nowhere_else() {
        let owner = Owner { uid: 0, gid: 0 };
        for path in ["etc/a", "/", "", "/a/../b", "/./a", "/a//b", "/a/", "/a\0b"] {
            assert!(archive(&files(&[path]), owner).is_err(), "{path:?}");
        }
        assert!(archive(&files(&[&format!("/{}", "a".repeat(5000))]), owner).is_err());
    }

    #[test]
    fn the_owner_is_the_user_of_the_container() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nanna:x:1000:1001::/home/anna:\n";
        let own = |uid, gid| Some(Owner { uid, gid });
        for (user, expected) in [
            ("", own(0, 0)),
            ("root", own(0, 0)),
            ("5:6", own(5, 6)),
            ("0:7", own(0, 7)),
            ("5", None),
            ("anna", None),
            ("anna:6", None),
        ] {
            assert_eq!(numeric(user), expected, "{user}");
        }
        for (user, expected) in [
            ("anna", own(1000, 1001)),
            ("1000", own(1000, 1001)),
            ("anna:6", own(1000, 6)),
            ("anna:wheel", None),
            ("4711", own(4711, 0)),
            ("nobody", None),
        ] {
            assert_eq!(owner(passwd, user), expected, "{user}");
        }
    }
}
