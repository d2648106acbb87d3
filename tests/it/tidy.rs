//! Tests of the repository itself: the rules of CONTRIBUTING.md that the compiler does not check.

mod behaviours;
mod documents;
mod imports;
mod language;
mod layers;
mod shape;
mod source;
