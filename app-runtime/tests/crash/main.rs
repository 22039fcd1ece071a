//! The program is killed at every write of a journal, and what it leaves is opened: nothing that was told is lost, no
//! effect is without its record, nothing of class *once* happens twice, the recovered state is the fold of the journal,
//! the next request is one that every provider takes, and no lock is stuck.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

mod aftermath;
mod branch_switch;
mod closing;
mod compaction;
mod foreign_fork;
mod forking;
mod hosts;
mod images;
mod kill;
mod leftover;
mod past;
mod power;
mod trash;
mod turn;
