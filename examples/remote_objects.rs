//! Remote objects over a tidy server, with Cap'n Proto: a calculator that returns an adder. The objects stay
//! on the thread of the server; clients hold references to them.

use std::io;
use std::rc::Rc;

use capnp::message::ReaderOptions;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::twoparty::VatNetwork;
use capnp_rpc::{RpcSystem, new_client};
use childminder::TidyServer;
use childminder::server::{TidyServerBuilder, TidyStream};
use futures_lite::future::{block_on, or};

use crate::calculator_capnp::{adder, calculator, echoer, root};

#[rustfmt::skip]
#[expect(
    missing_debug_implementations,
    unnameable_types,
    unreachable_pub,
    unused_qualifications,
    clippy::needless_pass_by_ref_mut,
    clippy::use_self,
    reason = "it is generated"
)]
#[path = "../tests/schema/calculator_capnp.rs"]
mod calculator_capnp;

struct Adder;

impl adder::Server for Adder {
    async fn add(
        self: Rc<Self>,
        params: adder::AddParams,
        mut results: adder::AddResults,
    ) -> capnp::Result<()> {
        let params = params.get()?;
        results.get().set_sum(params.get_left().wrapping_add(params.get_right()));
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

/// The object that a client receives first.
struct Root;

impl root::Server for Root {
    async fn calculator(
        self: Rc<Self>,
        _: root::CalculatorParams,
        mut results: root::CalculatorResults,
    ) -> capnp::Result<()> {
        results.get().set_calculator(new_client(Calculator(new_client(Adder))));
        Ok(())
    }

    async fn echoer(
        self: Rc<Self>,
        _: root::EchoerParams,
        mut results: root::EchoerResults,
    ) -> capnp::Result<()> {
        results.get().set_echoer(new_client(Echoer));
        Ok(())
    }
}

/// Handles one connection. It ends at end-of-file, which is also how the server asks it to end.
async fn serve(stream: TidyStream) -> io::Result<()> {
    let network = VatNetwork::new(stream.clone(), stream, Side::Server, ReaderOptions::new());
    let root: root::Client = new_client(Root);
    RpcSystem::new(Box::new(network), Some(root.client)).await.map_err(io::Error::other)
}

/// Calls the objects as a client.
async fn use_objects(root: root::Client) -> capnp::Result<()> {
    let echoer = root.echoer_request().send().promise.await?.get()?.get_echoer()?;
    let mut request = echoer.echo_request();
    request.get().set_text("hello");
    println!("  echo: {}", request.send().promise.await?.get()?.get_text()?.to_str()?);

    // The adder is called before the calculator has returned it: three calls in one round trip.
    let calculator = root.calculator_request().send().pipeline.get_calculator();
    let adder = calculator.adder_request().send().pipeline.get_adder();
    let mut request = adder.add_request();
    request.get().set_left(15);
    request.get().set_right(30);
    println!("  15 + 30 = {}", request.send().promise.await?.get()?.get_sum());
    Ok(())
}

async fn over(kind: &str, server: TidyServerBuilder) -> Result<(), Box<dyn std::error::Error>> {
    println!("over {kind}:");
    let server = server.listen(serve)?;
    let stream = server.connect().await?;
    let network = VatNetwork::new(stream.clone(), stream, Side::Client, ReaderOptions::new());
    let mut system = RpcSystem::new(Box::new(network), None);
    let root = system.bootstrap(Side::Server);
    // The system transports the messages, and ends with the connection.
    or(use_objects(root), system).await?;
    server.close().await?;
    println!("  closed cleanly");
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    block_on(async {
        over("TCP", TidyServer::tcp()).await?;
        over("a Unix socket", TidyServer::unix()).await
    })
}
