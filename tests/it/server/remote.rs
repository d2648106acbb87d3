//! Remote objects over tidy servers with Cap'n Proto; the original used Perspective Broker.
//!
//! The objects are not `Send`. They need not be, because the handlers of a server stay on one thread.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use capnp::message::ReaderOptions;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::twoparty::VatNetwork;
use capnp_rpc::{RpcSystem, new_client};
use childminder::TidyServer;
use childminder::server::TidyStream;
use futures_lite::future::or;

use super::{LONG, assert_closes, kinds, wait};
use crate::calculator_capnp::{adder, calculator, echoer, root};

/// Counts its calls.
#[derive(Default)]
struct Adder(Cell<u32>);

impl adder::Server for Adder {
    async fn add(
        self: Rc<Self>,
        params: adder::AddParams,
        mut results: adder::AddResults,
    ) -> capnp::Result<()> {
        self.0.set(self.0.get() + 1);
        let params = params.get()?;
        let sum = params.get_left().checked_add(params.get_right());
        results.get().set_sum(sum.ok_or_else(|| capnp::Error::failed("too much".to_owned()))?);
        Ok(())
    }
}

struct Calculator(adder::Client);

impl calculator::Server for Calculator {
    async fn adder(
        self: Rc<Self>,
        _: calculator::AdderParams,
        mut results: calculator::AdderResults,
    ) -> capnp::Result<()> {
        results.get().set_adder(self.0.clone());
        Ok(())
    }
}

struct Echoer;

impl echoer::Server for Echoer {
    async fn echo(
        self: Rc<Self>,
        params: echoer::EchoParams,
        mut results: echoer::EchoResults,
    ) -> capnp::Result<()> {
        results.get().set_text(params.get()?.get_text()?);
        Ok(())
    }
}

struct Root {
    calculator: calculator::Client,
    echoer: echoer::Client,
}

impl root::Server for Root {
    async fn calculator(
        self: Rc<Self>,
        _: root::CalculatorParams,
        mut results: root::CalculatorResults,
    ) -> capnp::Result<()> {
        results.get().set_calculator(self.calculator.clone());
        Ok(())
    }

    async fn echoer(
        self: Rc<Self>,
        _: root::EchoerParams,
        mut results: root::EchoerResults,
    ) -> capnp::Result<()> {
        results.get().set_echoer(self.echoer.clone());
        Ok(())
    }
}

/// Serves the root object until the connection ends.
async fn serve(stream: TidyStream) -> io::Result<()> {
    let adder = new_client(Adder::default());
    let root = Root { calculator: new_client(Calculator(adder)), echoer: new_client(Echoer) };
    let root: root::Client = new_client(root);
    let network = VatNetwork::new(stream.clone(), stream, Side::Server, ReaderOptions::new());
    RpcSystem::new(Box::new(network), Some(root.client)).await.map_err(io::Error::other)
}

/// Connects, and calls `use_root` with the root object.
async fn with_root<T>(
    server: &TidyServer,
    use_root: impl AsyncFnOnce(root::Client) -> capnp::Result<T>,
) -> T {
    let stream = server.connect().await.expect("the server listens");
    let network = VatNetwork::new(stream.clone(), stream, Side::Client, ReaderOptions::new());
    let mut system = RpcSystem::new(Box::new(network), None);
    let root: root::Client = system.bootstrap(Side::Server);
    let ended = async {
        let _ = system.await;
        // Calls that are in progress fail.
        std::future::pending().await
    };
    or(async { use_root(root).await.expect("no call fails") }, ended).await
}

/// Calls `use_root` over one connection to each kind of server, and closes the server.
fn over_each(use_root: impl AsyncFn(root::Client) -> capnp::Result<()>) {
    for kind in kinds() {
        let server = kind.grace(LONG).listen(serve).unwrap();
        wait(with_root(&server, &use_root));
        assert_closes(&server);
    }
}

async fn adder_of(root: &root::Client) -> capnp::Result<adder::Client> {
    let calculator = root.calculator_request().send().promise.await?.get()?.get_calculator()?;
    calculator.adder_request().send().promise.await?.get()?.get_adder()
}

async fn sum(adder: &adder::Client, left: i64, right: i64) -> capnp::Result<i64> {
    let mut request = adder.add_request();
    request.get().set_left(left);
    request.get().set_right(right);
    Ok(request.send().promise.await?.get()?.get_sum())
}

#[test]
fn td_14_test_addition() {
    over_each(async |root| {
        let adder = adder_of(&root).await?;
        assert_eq!(sum(&adder, 15, 30).await?, 45);
        assert_eq!(sum(&adder, -1, 1).await?, 0);
        Ok(())
    });
}

/// The calculator returns the same adder each time, and not a copy.
#[test]
fn td_14_test_check_adder() {
    over_each(async |root| {
        let (first, second) = (adder_of(&root).await?, adder_of(&root).await?);
        assert!(first.client.when_resolved().await.is_ok() && second.client.when_resolved().await.is_ok());
        assert_eq!(first.client.hook.get_ptr(), second.client.hook.get_ptr());
        assert_eq!(sum(&second, 2, 2).await?, 4);
        Ok(())
    });
}

#[test]
fn td_14_test_echo() {
    over_each(async |root| {
        let echoer = root.echoer_request().send().promise.await?.get()?.get_echoer()?;
        for text in ["", "hello", "ä€😀", &"long ".repeat(100_000)] {
            let mut request = echoer.echo_request();
            request.get().set_text(text);
            let response = request.send().promise.await?;
            assert!(response.get()?.get_text()?.to_str()? == text);
        }
        Ok(())
    });
}

/// The calls are sent without waiting for the results in between.
#[test]
fn td_14_calls_can_be_pipelined() {
    over_each(async |root| {
        let calculator = root.calculator_request().send().pipeline.get_calculator();
        let adder = calculator.adder_request().send().pipeline.get_adder();
        assert_eq!(sum(&adder, 3, 4).await?, 7);
        Ok(())
    });
}

#[test]
fn td_14_a_call_that_fails_returns_its_error_and_the_connection_stays_up() {
    over_each(async |root| {
        let adder = adder_of(&root).await?;
        let error = sum(&adder, i64::MAX, 1).await.unwrap_err();
        assert!(error.to_string().contains("too much"), "{error}");
        assert_eq!(sum(&adder, 1, 1).await?, 2);
        Ok(())
    });
}

/// Objects are in use and calls in progress when the server is closed: they fail, and nothing hangs or leaks.
#[test]
fn td_14_a_close_ends_calls_in_progress() {
    for kind in kinds() {
        let server = kind.grace(LONG).listen(serve).unwrap();
        wait(with_root(&server, async |root| {
            let adder = adder_of(&root).await?;
            assert_eq!(server.close().await, Ok(()));
            assert!(sum(&adder, 1, 1).await.is_err());
            Ok(())
        }));
    }
}
