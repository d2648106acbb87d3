//! All integration tests in one binary.

#![expect(
    clippy::disallowed_methods,
    reason = "a story needs an instant to begin at, and a real child a deadline"
)]

mod background;
mod client;
mod examples;
mod machine;
mod monitor;
mod output;
mod plan;
mod real;
mod servers;
mod service;
mod support;
mod sys;
mod testkit;
mod tidy;
#[cfg(feature = "webdriver")]
mod webdriver;
