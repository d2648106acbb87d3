//! Serving, connecting and closing on every executor.

use childminder::TidyServer;
use childminder::server::{TidyPair, line_echo};

use super::{exchange, kinds, rest, within};
use crate::real::every_runtime;

async fn served_and_closed() {
    for kind in kinds() {
        within(async {
            let server = kind.listen(line_echo).unwrap();
            let first = server.connect().await.unwrap();
            let second = server.connect().await.unwrap();
            for client in [&first, &second, &first] {
                assert_eq!(exchange(client, "wherever\n").await.unwrap(), "wherever\n");
            }
            drop(second);
            assert_eq!(server.close().await, Ok(()));
            assert_eq!(server.close().await, Ok(()));
            assert_eq!(rest(&first).await.unwrap(), "");
            assert!(server.connect().await.is_err());
        })
        .await;
    }
}

async fn a_pair() {
    within(async {
        let pair = TidyPair::connect(TidyServer::unix()).await.unwrap();
        let (there, back) = futures_lite::future::zip(
            exchange(&pair.client, "from the client"),
            exchange(&pair.server, "from the server"),
        )
        .await;
        assert_eq!((there.unwrap(), back.unwrap()), ("from the server".into(), "from the client".into()));
        assert_eq!(pair.close().await, Ok(()));
    })
    .await;
}

async fn dropped_without_close() {
    let server = TidyServer::tcp().listen(line_echo).unwrap();
    let client = within(server.connect()).await.unwrap();
    assert_eq!(within(exchange(&client, "soon gone\n")).await.unwrap(), "soon gone\n");
    drop(server);
    assert_eq!(within(rest(&client)).await.unwrap(), "");
}

every_runtime!(served_and_closed, a_pair, dropped_without_close);
