//! Plans.

mod crash;
mod crash_real;
