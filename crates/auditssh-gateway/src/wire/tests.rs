use super::hello::{Hello, Listener, negotiated};
use super::*;
use auditssh_log::message::Text;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn kexinit(lists: &[&str; 10]) -> Vec<u8> {
    let mut payload = vec![20];
    payload.extend([7; 16]);
    for list in lists {
        payload.extend((u32::try_from(list.len()).unwrap()).to_be_bytes());
        payload.extend(list.as_bytes());
    }
    payload.extend([0; 5]);
    let padding = 4 + (8 - (payload.len() + 9) % 8) % 8;
    let mut packet = u32::try_from(payload.len() + padding + 1)
        .unwrap()
        .to_be_bytes()
        .to_vec();
    packet.push(u8::try_from(padding).unwrap());
    packet.extend(payload);
    packet.extend(vec![0; padding]);
    packet
}

fn heard(pieces: &[&[u8]]) -> Hello {
    let mut listener = Listener::default();
    let mut last = Hello::default();
    for piece in pieces {
        listener.hear(piece, |hello| last = hello);
    }
    last
}

const CLIENT: [&str; 10] = [
    "mlkem768x25519-sha256,curve25519-sha256",
    "ssh-ed25519,rsa-sha2-512",
    "aes128-gcm@openssh.com,aes256-ctr",
    "aes256-ctr",
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512,hmac-sha2-256-etm@openssh.com",
    "none,zlib",
    "none",
    "",
    "",
];
const SERVER: [&str; 10] = [
    "curve25519-sha256,mlkem768x25519-sha256",
    "ssh-ed25519",
    "aes256-ctr,aes128-gcm@openssh.com",
    "aes256-ctr",
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-256-etm@openssh.com",
    "none",
    "none",
    "",
    "",
];

#[test]
fn the_clients_order_decides() {
    let hello = |version: &str, lists| heard(&[version.as_bytes(), b"\r\n", &kexinit(lists)]);
    let client = hello("SSH-2.0-Test_1 comment", &CLIENT);
    let server = hello("SSH-2.0-AuditSSH", &SERVER);
    let result = negotiated(&client, &server);
    let text = |name: &str| Some(Text::from(name));
    assert_eq!(result.client_version, text("SSH-2.0-Test_1 comment"));
    assert_eq!(result.server_version, text("SSH-2.0-AuditSSH"));
    assert_eq!(result.kex, text("mlkem768x25519-sha256"));
    assert_eq!(
        result.cipher_client_to_server,
        text("aes128-gcm@openssh.com")
    );
    assert_eq!(result.mac_client_to_server, None);
    assert_eq!(result.cipher_server_to_client, text("aes256-ctr"));
    assert_eq!(
        result.mac_server_to_client,
        text("hmac-sha2-256-etm@openssh.com")
    );
    assert_eq!(result.compression_client_to_server, text("none"));
}

#[test]
fn what_is_no_ssh_is_kept_as_far_as_a_line_goes() {
    let scan = heard(&[b"GET / HTTP/1.0\r\n\r\n"]);
    assert_eq!(scan.version, Some(Text::from("GET / HTTP/1.0")));
    assert_eq!(scan.offer, None);
    let long = heard(&[&[b'x'; 1000]]);
    assert_eq!(long.version.unwrap().as_bytes().len(), 255);
}

#[test]
fn a_listener_that_has_heard_enough_holds_nothing() {
    let mut listener = Listener::default();
    let mut calls = 0;
    for _ in 0..1000 {
        listener.hear(&[b'x'; 1000], |_| calls += 1);
    }
    assert_eq!(calls, 1);
    assert!(format!("{listener:?}").len() < 2000);
}

proptest! {
    #[test]
    fn pieces_make_no_difference(cuts in prop::collection::vec(0usize..700, 0..8)) {
        let mut stream = b"SSH-2.0-Test\r\n".to_vec();
        stream.extend(kexinit(&CLIENT));
        let whole = heard(&[&stream]);
        prop_assert!(whole.offer.is_some());
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        prop_assert_eq!(heard(&pieces), whole);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        let mut stream = b"SSH-2.0-x\n".to_vec();
        stream.extend(&bytes);
        heard(&[&stream]);
        heard(&[&bytes]);
    }
}

async fn pair() -> (TcpStream, Arc<Line>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (client, Line::new(server))
}

#[tokio::test]
async fn a_cut_ends_reading_and_writing() {
    let (client, line) = pair().await;
    let mut wire = Wire::new(Arc::clone(&line), Mark::new("x"));
    let waiting = tokio::spawn(async move {
        let read = wire.read(&mut [0; 16]).await;
        let write = wire.write(b"x").await;
        (read.is_err(), write.is_err())
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    line.cut();
    assert_eq!(waiting.await.unwrap(), (true, true));
    drop(client);
}

#[tokio::test]
async fn a_client_that_vanishes_is_noticed_while_its_bytes_lie_unread() {
    let (mut client, line) = pair().await;
    client.write_all(b"unread").await.unwrap();
    assert!(!line.closed_by_peer());
    drop(client);
    tokio::time::timeout(Duration::from_secs(5), line.vanished())
        .await
        .expect("noticed within 5 s");
}
