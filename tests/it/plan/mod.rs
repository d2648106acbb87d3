//! Plans.

mod calls;
mod chatter;
mod files;
mod groups;
mod input;
mod killed;
mod many;
mod output;
mod ready;
mod real;
mod stage;
mod stories;
mod upstream;
