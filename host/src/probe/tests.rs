//! Tests probes of real sockets on loopback.

use std::net::Ipv4Addr;

use reeve_core::time::Millis;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

const TIMEOUT: Millis = Millis::new(400);

fn target(address: SocketAddr, ask: Ask) -> Target {
    Target {
        address,
        ask,
        timeout: TIMEOUT,
    }
}

async fn http(address: SocketAddr) -> Probed {
    probe(&target(address, Ask::Http("/health?deep=1".to_owned()))).await
}

async fn tcp(address: SocketAddr) -> Probed {
    probe(&target(address, Ask::Tcp)).await
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A server that sends this response to the first request, then returns the request and how many
/// bytes it could send. `endless`: it repeats the last byte until the client closes.
async fn answering(answer: &'static [u8], endless: bool) -> (SocketAddr, Server) {
    let (listener, address) = listener().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let length = stream.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        let mut sent = 0;
        let _ = stream.write_all(answer).await;
        while endless && stream.write_all(&[b'x'; 4096]).await.is_ok() {
            sent += 4096;
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
        (request, sent)
    });
    (address, server)
}

type Server = tokio::task::JoinHandle<(String, usize)>;

#[track_caller]
fn failed(probed: Probed, words: &str) {
    match probed {
        Probed::Failed(why) => assert!(why.contains(words), "{why}"),
        other => panic!("not {words:?}: {other:?}"),
    }
}

#[tokio::test]
async fn a_server_is_asked_once_and_its_status_is_told_whatever_it_is() {
    let answers: [(&[u8], u16); 4] = [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 200),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        (b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", 500),
        // Early hints (103) are no final response.
        (b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 404 No\r\n\r\n", 404),
    ];
    for (answer, status) in answers {
        let (address, server) = answering(answer, false).await;
        assert_eq!(http(address).await, Probed::Answered(status));
        let (request, _) = server.await.unwrap();
        assert!(
            request.starts_with("GET /health?deep=1 HTTP/1.1\r\n"),
            "{request}"
        );
        assert!(
            request.contains(&format!("host: {address}\r\n")),
            "{request}"
        );
    }
}

#[tokio::test]
async fn a_port_without_a_listener_is_a_refusal() {
    let (listener, address) = listener().await;
    drop(listener);
    failed(http(address).await, "refused");
    failed(tcp(address).await, "refused");
}

#[tokio::test]
async fn a_silent_server_fails_an_http_probe_and_passes_a_tcp_probe() {
    let (listener, address) = listener().await;
    let held = tokio::spawn(async move {
        let mut held = Vec::new();
        for _ in 0..2 {
            held.push(listener.accept().await.unwrap());
        }
        held
    });
    assert_eq!(tcp(address).await, Probed::Connected);
    let began = std::time::Instant::now();
    failed(http(address).await, "no answer within 0.4s");
    let took = began.elapsed();
    let bounds = Duration::from_millis(390)..Duration::from_secs(5);
    assert!(bounds.contains(&took), "{took:?}");
    drop(held.await.unwrap());
}

#[tokio::test]
async fn a_server_that_hangs_up_or_speaks_something_else_has_failed() {
    let (address, _) = answering(b"", false).await;
    failed(http(address).await, "broke");
    let (address, _) = answering(b"SSH-2.0-OpenSSH_9.9\r\n\r\n", false).await;
    failed(http(address).await, "not HTTP");
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let (elsewhere, address_elsewhere) = listener().await;
    let answer = format!("HTTP/1.1 302 Found\r\nlocation: http://{address_elsewhere}/\r\n\r\n");
    let (address, _) = answering(answer.leak().as_bytes(), false).await;
    assert_eq!(http(address).await, Probed::Answered(302));
    let visit = timeout(Duration::from_millis(200), elsewhere.accept()).await;
    assert!(visit.is_err(), "no request followed the redirect");
}

#[tokio::test]
async fn a_body_without_an_end_is_not_read_and_the_connection_ends() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n";
    let (address, server) = answering(head, true).await;
    assert_eq!(http(address).await, Probed::Answered(200));
    let (_, sent) = timeout(Duration::from_secs(10), server)
        .await
        .unwrap()
        .unwrap();
    // No more than the system's buffers hold.
    assert!(sent < 16 << 20, "{sent}");
}

#[tokio::test]
async fn a_head_without_an_end_is_no_answer() {
    let (address, _) = answering(b"HTTP/1.1 200 OK\r\nx-long: ", true).await;
    let probed = http(address).await;
    assert!(matches!(probed, Probed::Failed(_)), "{probed:?}");
}

#[test]
fn only_what_the_instance_did_counts_against_it() {
    // Numbers from errno(3) on Linux.
    let cases = [
        (111, true),  // refused
        (104, true),  // reset
        (113, true),  // no route to the instance: no machine has its address
        (110, true),  // timed out
        (24, false),  // no file descriptor
        (23, false),  // none in the system
        (101, false), // no route to the network
        (100, false), // this host's network is down
        (99, false),  // no port left here
        (13, false),  // no permission
        (1, false),   // refused by a local firewall
        (12, false),  // no memory
    ];
    for (errno, is_bad) in cases {
        let error = io::Error::from_raw_os_error(errno);
        let found = matches!(not_connected(&error), Probed::Failed(_));
        assert_eq!(found, is_bad, "{error}");
    }
}
