#![expect(clippy::disallowed_methods, reason = "a story needs an instant to begin at, and a real child a deadline")]

mod machine;
mod monitor;
mod sys;
mod testkit;
mod tidy;
