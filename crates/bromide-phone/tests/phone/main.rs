//! The phone from the outside: every test is a host on a cable.

mod boot;
mod commands;
mod host;
mod pace;
mod read_back;
mod served;
mod start;
mod storm;
