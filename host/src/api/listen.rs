//! The sockets the interface listens on.

use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::fs::{Mode, fchmod};
use tokio::net::{TcpListener, UnixListener, UnixSocket};

/// Connections that wait to be accepted, as the standard library has it.
const BACKLOG: u32 = 128;

/// Why the host cannot listen on a socket.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is in use or not available.
    #[error(
        "cannot listen on {address}; is another reeve running, or another program on that port?"
    )]
    Address {
        /// The configured address.
        address: SocketAddr,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// Other machines could reach the address.
    #[error(
        "{address} is no loopback address; accepted is one such as 127.0.0.1:7433 or [::1]:7433"
    )]
    NotLoopback {
        /// The configured address.
        address: SocketAddr,
    },
    /// Another process listens on the socket.
    #[error("the socket {} is in use: a process answers there; stop it, or set another `socket`", path.display())]
    SocketInUse {
        /// The configured path.
        path: PathBuf,
    },
    /// The path names a file of another kind.
    #[error("{} is there and is no socket; remove it, or set another `socket`", path.display())]
    NotASocket {
        /// The configured path.
        path: PathBuf,
    },
    /// The system refused to create the socket.
    #[error("cannot listen on the socket {}", path.display())]
    Socket {
        /// The configured path.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

/// The file of a Unix socket. Dropping it removes the file.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

impl SocketFile {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // The next host replaces a stale file anyway.
        let _ = fs::remove_file(&self.0);
    }
}

/// Listens on a loopback address. Port 0 takes a free one.
///
/// # Errors
/// [`ListenError::NotLoopback`], [`ListenError::Address`].
pub(crate) async fn tcp(address: SocketAddr) -> Result<TcpListener, ListenError> {
    if !address.ip().is_loopback() {
        return Err(ListenError::NotLoopback { address });
    }
    any_tcp(address).await
}

/// Listens on any address, for a listener that demands a proof from every client. Port 0 takes a
/// free port.
///
/// # Errors
/// [`ListenError::Address`].
pub(crate) async fn any_tcp(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| ListenError::Address { address, source })
}

/// Listens on a Unix socket. Only the host's user may connect, or, where rules are for others too,
/// every user; the rules say what each may do. A file that a killed host left is replaced.
///
/// # Errors
/// [`ListenError`]: the path is in use, is another kind of file, or the system refuses.
pub(crate) fn unix(
    path: &Path,
    is_for_other_users: bool,
) -> Result<(UnixListener, SocketFile), ListenError> {
    let failed = |source| ListenError::Socket {
        path: path.to_owned(),
        source,
    };
    remove_stale(path)?;
    let socket = UnixSocket::new_stream().map_err(failed)?;
    // Linux gives the file the socket's own mode, so that it is never there with a wider one.
    fchmod(&socket, Mode::from_raw_mode(0o600)).map_err(|error| failed(error.into()))?;
    socket.bind(path).map_err(failed)?;
    let listener = socket.listen(BACKLOG).map_err(failed)?;
    let file = SocketFile(path.to_owned());
    if is_for_other_users {
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).map_err(failed)?;
    }
    Ok((listener, file))
}

fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let failed = |source| ListenError::Socket {
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(there) if !there.file_type().is_socket() => {
            return Err(ListenError::NotASocket {
                path: path.to_owned(),
            });
        }
        Ok(_) => {}
    }
    // Only a refused connection proves that no process listens.
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        Ok(_) => Err(ListenError::SocketInUse {
            path: path.to_owned(),
        }),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_or_another_file_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("reeve.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(
            path.exists(),
            "dropping a listener leaves its file, as a kill does"
        );

        let (_listener, file) = unix(&path, false).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(
            unix(&path, false),
            Err(ListenError::SocketInUse { .. })
        ));
        drop(file);
        assert!(!path.exists());

        let (_listener, file) = unix(&path, true).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o666);
        drop(file);

        fs::write(&path, "precious").unwrap();
        assert!(matches!(
            unix(&path, false),
            Err(ListenError::NotASocket { .. })
        ));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn the_longest_path_of_a_socket_will_do() {
        const BYTES_MAX: usize = 107;
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().as_os_str().len() + 1;
        let path = dir.path().join("s".repeat(BYTES_MAX - folder));
        let (_listener, _file) = unix(&path, false).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[tokio::test]
    async fn only_loopback_is_listened_on_except_by_a_door_for_other_machines() {
        let refused = tcp(SocketAddr::from(([0, 0, 0, 0], 0))).await;
        assert!(matches!(refused, Err(ListenError::NotLoopback { .. })));
        assert!(tcp(SocketAddr::from(([127, 0, 0, 1], 0))).await.is_ok());
        assert!(any_tcp(SocketAddr::from(([0, 0, 0, 0], 0))).await.is_ok());
    }
}
