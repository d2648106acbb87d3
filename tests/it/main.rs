//! All integration tests in one binary.

#![expect(
    clippy::disallowed_methods,
    reason = "a story needs an instant to begin at, and a real child a deadline"
)]

mod background;
mod client;
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
#[path = "../schema/calculator_capnp.rs"]
mod calculator_capnp;
mod examples;
mod family;
mod faults;
mod journal;
mod machine;
mod monitor;
mod output;
mod plan;
mod real;
mod server;
mod servers;
mod service;
mod support;
mod sys;
mod testkit;
mod tidy;
#[cfg(feature = "webdriver")]
mod webdriver;
