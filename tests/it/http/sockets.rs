//! Socket files: their mode, the ones left behind, and the ones in use.
//! Not what is served there: that is the same as over TCP.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use reengaged::http::{Address, Listener, Scopes, Site, Tokens};

use super::fake;
use super::wire::{Server, inside, standard};

fn address(path: &Path) -> Address {
    format!("unix:{}", path.display()).parse().unwrap()
}

async fn server(path: &Path, tokens: Tokens) -> Server {
    let site = Site::new(standard(), tokens);
    site.open(inside(fake::engine()));
    Server::at(Listener::everything(&address(path)).await.unwrap(), site)
}

#[tokio::test]
async fn a_socket_file_serves_and_goes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("api.sock");
    let serving = server(&path, Tokens::default()).await;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    assert_eq!(serving.get("/v1/doubts").await.status, 200);
    let second = Listener::everything(&address(&path)).await.unwrap_err();
    assert!(second.contains("api.sock: another process listens there"), "{second}");
    serving.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_left_behind_is_replaced_and_a_strange_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("api.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let serving = server(&path, Tokens::default()).await;
    assert_eq!(serving.get("/healthz").await.status, 200);
    serving.stop().await;
    std::fs::write(&path, "precious").unwrap();
    let strange = Listener::everything(&address(&path)).await.unwrap_err();
    assert!(strange.contains("no socket"), "{strange}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn a_socket_file_asks_for_tokens_where_there_are_any() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("api.sock");
    let tokens = Tokens::new(vec![([7; 32], Scopes { operate: true, ..Scopes::default() })]);
    let serving = server(&path, tokens).await;
    assert_eq!(serving.get("/v1/doubts").await.status, 401);
    assert_eq!(serving.get("/healthz").await.status, 200);
    serving.stop().await;
}
