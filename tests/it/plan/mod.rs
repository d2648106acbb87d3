//! Plans.

mod building;
mod calls;
mod files;
mod groups;
mod input;
mod killed;
mod many;
mod mistakes;
mod output;
mod ready;
mod real;
mod sim;
mod stage;
mod stories;
mod upstream;
