//! Random histories: what the world may do next, and a player of it. Other crates' tests include this file.

use std::sync::Arc;

use glasswork_agent_core::plan::{Draft, Status, Written};
use glasswork_agent_core::question::Said;
use glasswork_agent_core::tree::Body;
use glasswork_ai::conversation::Block;
use glasswork_ai::failure::FailureClass;
use glasswork_ai::stream::{StopReason, StreamEvent};
use glasswork_engine::{Domain, EffectKey, Loss, Origin, ScopeId};
use glasswork_session_state::domain::{Event, Glasswork};
use glasswork_session_state::effect::Effect;
use glasswork_session_state::evidence::{Access, Evidence, FileAccess};
use glasswork_session_state::prompt::Event as P;
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::settings::{Layer, Mode, QueueMode, Setting, Sourced};
use glasswork_session_state::tools::Word;
use glasswork_session_state::{compaction, fork, mcp, model, plan, question as asked, session, tools, tree};
use proptest::prelude::*;
use strum::VariantArray;

use crate::world::*;

/// What the world does next. Numbers pick among what there is at that moment.
#[derive(Debug, Clone)]
pub(crate) enum Move {
    Say(u8),
    Set(u8),
    Answer { approve: bool, which: u8 },
    Work { which: u8, how: u8 },
    Deadline(u8),
    Crash,
    Stale(u8),
    Tree { which: u8, how: u8 },
    Leave { which: u8, how: u8 },
    Compact(u8),
}

pub(crate) fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => any::<u8>().prop_map(Move::Say),
        1 => any::<u8>().prop_map(Move::Set),
        3 => (any::<bool>(), any::<u8>()).prop_map(|(approve, which)| Move::Answer { approve, which }),
        12 => (any::<u8>(), any::<u8>()).prop_map(|(which, how)| Move::Work { which, how }),
        1 => any::<u8>().prop_map(Move::Deadline),
        1 => Just(Move::Crash),
        1 => any::<u8>().prop_map(Move::Stale),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(which, how)| Move::Tree { which, how }),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(which, how)| Move::Leave { which, how }),
        4 => any::<u8>().prop_map(Move::Compact),
    ];
    prop::collection::vec(one, 1..120)
}

fn pick<T: Clone>(all: &[T], which: u8) -> Option<T> {
    (!all.is_empty()).then(|| all[usize::from(which) % all.len()].clone())
}

fn say(which: u8) -> Event {
    match which % 12 {
        0..=3 => prompted("go"),
        4 => Event::Prompt(steered("s")),
        5 => Event::Prompt(followed_up("f")),
        6 => Event::Prompt(P::Interrupted),
        7 => Event::Prompt(P::Paused),
        8 | 9 => Event::Prompt(P::Resumed),
        10 => Event::Prompt(P::Cancelled),
        _ => match which {
            11 => Event::Session(session::Event::Closed),
            _ => opened(),
        },
    }
}

fn setting(which: u8) -> Setting {
    let layer = Layer::Session;
    match which % 6 {
        5 => {
            let models = ["scripted/b", "scripted/c"].map(|id| id.parse().unwrap());
            Setting::FallbackModels(Sourced::from_layer(models.to_vec(), layer))
        }
        0 => Setting::FollowUps(Sourced::from_layer(QueueMode::All, layer)),
        1 => Setting::ParallelTools(Sourced::from_layer(which > 128, layer)),
        2 => Setting::Attended(Sourced::from_layer(which > 128, layer)),
        3 => Setting::MaxSteps(Sourced::from_layer(3, layer)),
        _ => {
            let mode = Mode::VARIANTS[usize::from(which / 6) % Mode::VARIANTS.len()];
            Setting::Mode(Sourced::from_layer(mode, layer))
        }
    }
}

/// What a runner of this effect may say.
fn word(effect: &Effect, key: EffectKey, how: u8) -> Event {
    match effect {
        Effect::Fork { child, .. } => Event::Fork(match how % 2 {
            0 => fork::Event::Made { child: *child },
            _ => fork::Event::Failed {
                child: *child,
                message: "no room".into(),
            },
        }),
        Effect::Trash { .. } | Effect::CloseSession { .. } => unreachable!("the host's"),
        Effect::CallModel { .. } | Effect::Summarise { .. } => Event::Model(answer(how)),
        _ if how % 16 == 15 => Glasswork::lost(key, effect, Loss::RunnerGone),
        Effect::GatherEvidence { call } => Event::Tools(tools::Event::EvidenceGathered {
            call: *call,
            evidence: Arc::new(match how % 8 {
                0 => misfit(),
                1 => bash(),
                2 => write("/work/a"),
                3 => file(FileAccess::Write, "/etc/a", false),
                4 => Evidence::Session,
                5 => Evidence::Plan,
                6 => question(&["yes", "no"]),
                _ => read("/work/a"),
            }),
        }),
        // No server is given in these stories; `mcp` has its own.
        Effect::StartServer { server } => Event::Mcp(mcp::Event::Failed {
            server: Arc::clone(server),
            problem: mcp::Problem::NotTold,
        }),
        Effect::RunTool {
            call,
            access: Access::Plan,
            ..
        } => Event::Plan(plan::Event::Written {
            call: *call,
            plan: a_plan(how),
        }),
        Effect::RunTool { call, .. } if how % 4 == 3 => Event::Tools(tools::Event::ToolProgressed {
            call: *call,
            tail: "…".into(),
        }),
        Effect::RunTool { call, .. } => Event::Tools(tools::Event::ToolSettled {
            call: *call,
            word: [Word::Succeeded, Word::Failed, Word::Stopped][usize::from(how % 3)],
            outcome: outcome("out"),
        }),
    }
}

/// A plan, now and then one that is none.
fn a_plan(how: u8) -> Draft {
    let step = |place: u8| Written {
        step: format!("step {}", (how / 16 + place) % 5).into(),
        status: Status::VARIANTS[usize::from(how / (place + 1) % 3)],
        priority: None,
    };
    Draft {
        explanation: None,
        plan: (0..how % 4).map(step).collect(),
    }
}

fn answer(how: u8) -> model::Event {
    let stop = match how / 16 % 4 {
        0 => StopReason::Length,
        1 => StopReason::EndOfTurn,
        _ => StopReason::ToolUse,
    };
    let text = || finished(0, Block::Text("text".into()));
    let calls = |count: u32| (1..=count).map(|index| finished(index, call_block("tool", index)));
    let end = |steps: Vec<StreamEvent>| model::Event::Answered {
        body: None,
        limits: vec![],
        steps,
        outcome: model::Outcome::Finished(stop.clone()),
    };
    match how % 10 {
        0 => model::Event::Connected {
            body: None,
            limits: vec![],
        },
        1 => model::Event::Streamed {
            body: None,
            limits: vec![],
            steps: vec![began(9), delta(9, "x"), StreamEvent::Usage(usage(5, 1))],
        },
        2 => model::Event::Streamed {
            body: None,
            limits: vec![],
            steps: std::iter::once(text()).chain(calls(1)).collect(),
        },
        3 => model::Event::Answered {
            body: None,
            limits: vec![],
            steps: vec![],
            outcome: model::Outcome::Failed(failure(FailureClass::Overloaded, None)),
        },
        4 => {
            let class = if how > 100 {
                FailureClass::ContextOverflow
            } else {
                FailureClass::Auth
            };
            model::Event::Answered {
                body: None,
                limits: vec![],
                steps: vec![],
                outcome: model::Outcome::Failed(failure(class, None)),
            }
        }
        5 => end(vec![text()]),
        _ => end(calls(u32::from(how % 3) + 1).collect()),
    }
}

pub(crate) fn play(world: &mut World, step: &Move) {
    let before = world.state.clone();
    let open: Vec<(EffectKey, Effect)> = world.open.clone().into_iter().collect();
    let result = match step {
        Move::Say(which) => world.user(say(*which)),
        Move::Set(which) => world.user(Event::Session(session::Event::SettingChanged(setting(*which)))),
        Move::Answer { approve, which } => {
            let batch: Vec<_> = world.session().batch().map(|(id, _)| id).collect();
            let Some(call) = pick(&batch, *which) else { return };
            if *approve && which % 3 > 0 {
                let said = Said::Line((*pick(&["1", "no", "neither", ""], *which).unwrap()).into());
                world.user(Event::Question(asked::Event::Answered { call, said }))
            } else {
                world.user(Event::Tools(if *approve {
                    tools::Event::Approved { call }
                } else {
                    tools::Event::Refused { call, reason: None }
                }))
            }
        }
        Move::Work { which, how } => {
            let Some((key, effect)) = pick(&open, *which) else {
                return;
            };
            let result = world.send(&Origin::Effect(key), word(&effect, key, *how));
            // A word of an open effect is refused only where it repeats that the server answers.
            if let Err(rejection) = &result {
                assert!(matches!(rejection, Rejection::Transition(_)), "{rejection}");
                assert!(
                    matches!(effect, Effect::CallModel { .. }) && how % 10 == 0,
                    "{effect:?} {rejection}"
                );
            }
            result
        }
        Move::Deadline(which) => {
            let all: Vec<_> = world.deadlines().into_keys().collect();
            let Some(key) = pick(&all, *which) else { return };
            world.reach(key);
            return;
        }
        Move::Crash => {
            world.crash();
            return;
        }
        Move::Stale(how) => {
            let gone = EffectKey {
                seq: world.seq + 100,
                ordinal: 0,
            };
            let event = Event::Model(answer(*how));
            let result = world.send(&Origin::Effect(gone), event);
            assert!(result.is_err());
            result
        }
        // Long words in a small window, so that it is compacted by itself too.
        Move::Compact(how) => match how % 6 {
            0 => world.user(Event::Compaction(compaction::Event::Requested {
                focus: None,
                key: None,
            })),
            1 => world.user(Event::Compaction(compaction::Event::Undone { key: None })),
            2 => {
                let window = Sourced::from_layer(Some(300 + 4 * u64::from(*how)), Layer::Session);
                world.user(Event::Session(session::Event::SettingChanged(
                    Setting::ContextWindow(window),
                )))
            }
            _ => world.user(prompted(&"long words ".repeat(80))),
        },
        Move::Leave { which, how } => {
            let to = pick(&world.entries(), *which).filter(|_| how % 5 > 0);
            let focus = (how % 2 > 0).then(|| "the roof".into());
            // A key that comes again is refused.
            let key = (how % 7 == 0).then(|| format!("{}", how % 21).into());
            let left = world.tree(tree::Event::BranchLeft { to, focus, key });
            if left.is_ok() && how % 3 == 0 && world.session().compactions.open.is_some() {
                world.answer("in vain");
                let leaf = world.session().tree.leaf().unwrap();
                let entry = world.session().tree.get(leaf).unwrap();
                assert!(matches!(&entry.body, Body::BranchSummary(_)) && entry.parent == to);
                return;
            }
            left
        }
        Move::Tree { which, how } => {
            let Some(entry) = pick(&world.entries(), *which) else {
                return;
            };
            let key = None;
            if how % 8 == 7 {
                let child = ScopeId::from_u128(u128::from(world.seq) + 1000);
                let (of, at) = (SCOPE, 1);
                world
                    .user(Event::Fork(fork::Event::Requested { child, of, at }))
                    .unwrap();
                return;
            }
            world.tree(match how % 6 {
                0 => tree::Event::LeafMoved { to: None, key },
                1 => tree::Event::TakenBack { entry, key },
                2 => {
                    let label = (how % 4 > 0).then(|| "here".into());
                    tree::Event::Labelled { entry, label }
                }
                3 => {
                    let pinned = *how > 128;
                    tree::Event::Pinned { entry, pinned }
                }
                _ => {
                    let to = Some(entry);
                    tree::Event::LeafMoved { to, key }
                }
            })
        }
    };
    if result.is_err() {
        assert_eq!(world.state, before, "a refusal changed something");
    }
}
