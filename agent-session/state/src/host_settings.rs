//! What can be set for the program as a whole, beside what is set for each session.

use std::collections::BTreeMap;

use glasswork_ai::sign_in::description::Description;
use serde::{Deserialize, Serialize};

use crate::settings::{Source, Sourced, settings};

settings! {
    /// How many sessions lie unpacked, those in which something happened last; `None` packs none.
    pack_after / PackAfter: Option<u32> = Some(200);
    /// How many sessions are kept, those in which something happened last; `None` keeps all.
    keep_sessions / KeepSessions: Option<u32> = None;
    /// How long a session is kept in which nothing happens, in days; `None` keeps all.
    keep_days / KeepDays: Option<u32> = None;
    /// How much room the journals of sessions may take, in MiB; `None` keeps all.
    keep_mib / KeepMib: Option<u32> = None;
    /// How long what is in the trash stays there, in days; `None` keeps it.
    trash_days / TrashDays: Option<u32> = None;
    /// How long a session stays mounted in which nothing happens, in minutes.
    unmount_after_minutes / UnmountAfterMinutes: u32 = 15;
    /// How many requests to a provider have to fail, one after the other, until its breaker opens; `0` opens none.
    breaker_failures / BreakerFailures: u32 = 5;
    /// Within how long that has to be, in seconds.
    breaker_window_seconds / BreakerWindowSeconds: u32 = 60;
    /// How long an open breaker lets nothing through, in seconds; twice as long each time that the next try fails too.
    breaker_pause_seconds / BreakerPauseSeconds: u32 = 30;
    /// Where the server of `anthropic` is; `None` is its own. Only the user's own settings and environment say so.
    anthropic_base_url / AnthropicBaseUrl: Option<String> = None;
    /// Where the server of `openai` is; `None` is its own. Only the user's own settings and environment say so.
    openai_base_url / OpenaiBaseUrl: Option<String> = None;
    /// Who is reached without a proxy, as `NO_PROXY` has it; `None` is what the environment says. Only the user's own.
    no_proxy / NoProxy: Option<String> = None;
    /// A file with certificates of authorities that are believed beside the system's. Only the user's own.
    ca_file / CaFile: Option<String> = None;
    /// How to sign in to providers, beside what comes with the program; an entry of the same name is put in its place.
    sign_in / SignIn: BTreeMap<String, Description> = BTreeMap::new();
}
