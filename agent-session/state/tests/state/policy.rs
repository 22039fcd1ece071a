//! The policy: every mode against every access, and what the explanation says.

use std::sync::Arc;

use glasswork_session_state::evidence::{Access, Evidence, FileAccess, ServerEvidence};
use glasswork_session_state::judge::{RULES, Verdict, judge};
use glasswork_session_state::settings::{Layer, Mode, Source, Sourced};
use strum::VariantArray;

use crate::world::{bash, file, misfit, question};

fn evidence(access: Access) -> Evidence {
    match access {
        Access::Read => file(FileAccess::Read, "/work/a", true),
        Access::ReadOutside => file(FileAccess::Read, "/etc/a", false),
        Access::Inspect => Evidence::Session,
        Access::Plan => Evidence::Plan,
        Access::Question => question(&["yes", "no"]),
        Access::Write => file(FileAccess::Write, "/work/a", true),
        Access::WriteOutside => file(FileAccess::Write, "/etc/a", false),
        Access::Execute => bash(),
        Access::AskServer => Evidence::Server(ServerEvidence {
            server: "files".into(),
            tool: "list".into(),
            digest: "00".into(),
        }),
    }
}

#[test]
fn every_mode_judges_every_access_as_written() {
    use Verdict::{Allow as A, Ask as Q, Deny as D};
    // read, read outside, graph, the plan, a question, write, write outside, bash, a server's tool
    let expected = [
        (Mode::Plan, [A, Q, A, A, Q, D, D, D, D]),
        (Mode::Ask, [A, Q, A, A, Q, Q, Q, Q, Q]),
        (Mode::AcceptEdits, [A, Q, A, A, Q, A, Q, Q, Q]),
        (Mode::Auto, [A, Q, A, A, Q, A, Q, Q, Q]),
        (Mode::Yolo, [A, A, A, A, Q, A, A, A, A]),
    ];
    assert_eq!(expected.map(|(mode, _)| mode), Mode::VARIANTS);
    for (mode, verdicts) in expected {
        for (access, verdict) in Access::VARIANTS.iter().zip(verdicts) {
            let mode = Sourced::default_of(mode);
            let evidence = Arc::new(evidence(*access));
            let judged = judge(&mode, true, &evidence).unwrap();
            assert_eq!(judged.verdict, verdict, "{mode:?} {access:?}");
            // Without anyone to ask, asking is denying, and the explanation says so.
            let alone = judge(&mode, false, &evidence).unwrap();
            let denied = if verdict == Q { D } else { verdict };
            assert_eq!(
                (alone.verdict, alone.explanation.unattended),
                (denied, verdict == Q)
            );
            assert_eq!(alone.explanation.rule_says, verdict);
        }
    }
}

#[test]
fn one_rule_holds_for_each_mode_and_access() {
    for mode in Mode::VARIANTS {
        for access in Access::VARIANTS {
            let rules: Vec<_> = RULES
                .iter()
                .filter(|rule| rule.mode == *mode && rule.access.contains(access))
                .collect();
            assert_eq!(rules.len(), 1, "{mode:?} {access:?}: {rules:?}");
        }
    }
    let mut keys: Vec<_> = RULES.iter().map(|rule| rule.key).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), RULES.len());
}

#[test]
fn an_explanation_names_rule_mode_source_and_evidence() {
    let from = Source {
        layer: Layer::User,
        file: Some("/home/me/settings.ron".into()),
        line: Some(3),
    };
    let mode = Sourced {
        value: Mode::Plan,
        from: from.clone(),
    };
    let evidence = Arc::new(evidence(Access::Write));
    let explanation = judge(&mode, true, &evidence).unwrap().explanation;
    assert_eq!(&*explanation.rule, "plan.change");
    assert_eq!((explanation.mode, explanation.mode_from), (Mode::Plan, from));
    assert_eq!(
        (explanation.access, explanation.evidence),
        (Access::Write, evidence)
    );
}

#[test]
fn what_cannot_run_is_not_judged() {
    let mode = Sourced::default_of(Mode::Yolo);
    assert_eq!(judge(&mode, true, &Arc::new(misfit())), None);
}
