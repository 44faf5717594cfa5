//! Unix sockets: of services, that a client reaches or has listened to, and of its agent.

use super::account::Account;
use super::forward::Forwarder;
use crate::backend::{Arrival, Listener, Originator, Pipe, Refused};
use async_trait::async_trait;
use rand::distr::{Alphanumeric, SampleString as _};
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Uid};
use socket2::{Domain, SockAddr, Socket, Type};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;
/// How long a failure to accept is waited out, mostly a want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// Where directories of agents are.
const PLACE: &str = "/tmp";
/// Letters of a directory's name that can't be guessed.
const LETTERS: usize = 10;

impl Forwarder {
    /// Connects to a socket.
    pub(super) async fn socket_at(&self, path: &str, account: &Account) -> Result<Pipe, Refused> {
        let path = with_rights_of(account, path)?;
        let room = self.socket()?;
        let stream = UnixStream::connect(path).await;
        let stream = stream.map_err(|error| Refused::told(error.to_string()))?;
        Ok(pipe(stream, room))
    }

    /// Listens to a socket that is not there yet; it is removed at the end.
    pub(super) async fn listen_at(
        &self,
        path: &str,
        account: &Account,
    ) -> Result<Box<dyn Listener>, Refused> {
        let path = with_rights_of(account, path)?.to_owned();
        let room = self.socket()?;
        let bound = blocking(move || {
            let listener = bind(&path)?;
            let file = File::of(path)?;
            Ok((listener, Traces::File(file)))
        });
        Ok(Box::new(Unix::new(bound.await?, room, self.room())?))
    }
}

/// Listens for connections to the client's agent, in a directory of its own; its path.
pub(super) async fn agent(
    room: &Arc<Semaphore>,
    account: &Account,
) -> Result<(PathBuf, Box<dyn Listener>), Refused> {
    let forwarder = Forwarder::new(room);
    let own = forwarder.socket()?;
    let account = account.clone();
    let (path, listener, traces) = blocking(move || {
        let directory = Directory::make(&account)?;
        let path = directory.path.join(&directory.name);
        // From here on, whatever fails removes it.
        let traces = Traces::Directory(directory);
        let listener = bind(&path)?;
        if let Traces::Directory(directory) = &traces {
            directory.hand_over(&account)?;
        }
        Ok((path, listener, traces))
    })
    .await?;
    let listener = Unix::new((listener, traces), own, Arc::clone(room))?;
    Ok((path, Box::new(listener)))
}

/// The server opens and makes files with its own rights. They are those of the account only if
/// that is the server's.
fn with_rights_of<'a>(account: &Account, path: &'a str) -> Result<&'a Path, Refused> {
    if account.groups.is_some() {
        return Err(Refused::new(
            "sockets are forwarded only where programs run under the server's own account \
             (`local.user: self`)",
        ));
    }
    let path = Path::new(path);
    if !path.is_absolute() {
        return Err(Refused::told("the path must begin with `/`"));
    }
    Ok(path)
}

/// A socket that nobody but its owner may connect to, from the first moment on.
fn bind(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
    // Linux gives the file the mode of the socket.
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Refused> {
    let done = tokio::task::spawn_blocking(act).await;
    let done = done.map_err(|error| Refused::new(error.to_string()))?;
    done.map_err(|error| Refused::new(error.to_string()))
}

fn pipe(stream: UnixStream, room: OwnedSemaphorePermit) -> Pipe {
    let (reader, writer) = stream.into_split();
    Pipe {
        reader: Box::new(reader),
        writer: Box::new(writer),
        gone: None,
        held: Box::new(room),
    }
}

/// What a listener leaves in the file system.
enum Traces {
    File(File),
    Directory(Directory),
}

/// The file of a socket, told from another of the same name.
struct File {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl File {
    fn of(path: PathBuf) -> io::Result<Self> {
        let it = std::fs::symlink_metadata(&path)?;
        Ok(Self {
            path,
            device: it.dev(),
            inode: it.ino(),
        })
    }
}

/// A directory with nothing but a socket in it. It may belong to another account, which can put
/// anything in its place: it is held by its descriptor.
struct Directory {
    path: PathBuf,
    descriptor: OwnedFd,
    name: String,
}

impl Directory {
    fn make(account: &Account) -> io::Result<Self> {
        let letters = Alphanumeric.sample_string(&mut rand::rng(), LETTERS);
        let path = Path::new(PLACE).join(format!("ssh-{letters}"));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        let descriptor = rustix::fs::open(&path, flags, Mode::empty())?;
        Ok(Self {
            path,
            descriptor,
            name: format!("agent.{}", account.uid),
        })
    }

    fn hand_over(&self, account: &Account) -> io::Result<()> {
        if account.groups.is_none() {
            return Ok(());
        }
        let user = Some(Uid::from_raw(account.uid.as_raw()));
        let group = Some(Gid::from_raw(account.gid.as_raw()));
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        // The socket first: until then nobody else can reach it.
        rustix::fs::chownat(&self.descriptor, &self.name, user, group, flags)?;
        Ok(rustix::fs::fchown(&self.descriptor, user, group)?)
    }
}

impl Drop for Traces {
    /// Removes them; may block.
    fn drop(&mut self) {
        let removed = match self {
            Self::File(file) => match File::of(file.path.clone()) {
                Ok(now) if (now.device, now.inode) == (file.device, file.inode) => {
                    std::fs::remove_file(&file.path)
                }
                _ => Ok(()),
            },
            Self::Directory(Directory {
                path,
                descriptor,
                name,
            }) => rustix::fs::unlinkat(&*descriptor, name.as_str(), AtFlags::empty())
                .and_then(|()| rustix::fs::unlinkat(CWD, &*path, AtFlags::REMOVEDIR))
                .map_err(io::Error::from),
        };
        if let Err(error) = removed {
            tracing::debug!(%error, "a socket could not be removed");
        }
    }
}

/// A socket that is listened to.
struct Unix {
    listener: UnixListener,
    traces: Option<Traces>,
    room: Arc<Semaphore>,
    _own: OwnedSemaphorePermit,
}

impl Unix {
    fn new(
        (listener, traces): (std::os::unix::net::UnixListener, Traces),
        own: OwnedSemaphorePermit,
        room: Arc<Semaphore>,
    ) -> Result<Self, Refused> {
        let listener = UnixListener::from_std(listener);
        Ok(Self {
            listener: listener.map_err(|error| Refused::new(error.to_string()))?,
            traces: Some(traces),
            room,
            _own: own,
        })
    }
}

#[async_trait]
impl Listener for Unix {
    async fn accept(&mut self) -> Option<Arrival> {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let room = Arc::clone(&self.room);
                    return Some(Arrival {
                        originator: Originator::default(),
                        pipe: Box::pin(async move {
                            let room = room.try_acquire_owned();
                            let full = |_| Refused::new("too many forwarded connections");
                            Ok(pipe(stream, room.map_err(full)?))
                        }),
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn close(mut self: Box<Self>) {
        if let Some(traces) = self.traces.take() {
            let _ = tokio::task::spawn_blocking(move || drop(traces)).await;
        }
    }
}

impl Drop for Unix {
    fn drop(&mut self) {
        if let (Some(traces), Ok(runtime)) =
            (self.traces.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn_blocking(move || drop(traces));
        }
    }
}
