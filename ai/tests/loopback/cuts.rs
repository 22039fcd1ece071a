//! Golden streams, cut at every byte on their way.

use std::fs;

use glasswork_ai::stream::StreamEvent;
use glasswork_ai::wire::Wire;
use glasswork_testkit::model_server::{Framing, Gate, Reply};

use super::{calls, decoded, hostile, next, request, rest, serving};
use glasswork_ai::port::ModelPort;

/// All golden streams and documents, with the wires that speak so.
fn goldens() -> Vec<(Wire, String, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap()).collect();
    files.sort_by_key(fs::DirEntry::file_name);
    let mut all = Vec::new();
    for file in files {
        let name = file.file_name().into_string().unwrap();
        let wire = match name.split('_').next().unwrap() {
            "anthropic" => Wire::Anthropic,
            "gemini" => Wire::Gemini,
            "openai" => Wire::OpenAiCompatible,
            "responses" => Wire::OpenAiResponses,
            _ => panic!("whose stream is {name}?"),
        };
        all.push((wire, name, fs::read(file.path()).unwrap()));
    }
    for wire in [
        Wire::Anthropic,
        Wire::Gemini,
        Wire::OpenAiCompatible,
        Wire::OpenAiResponses,
    ] {
        let streams = all
            .iter()
            .filter(|(of, name, _)| *of == wire && name.ends_with(".sse"));
        assert!(streams.count() > 2, "{wire:?}");
    }
    all
}

/// Streams of each wire, to be cut at every byte: short ones, for each cut is a connection. And with them the golden
/// ones, to be cut at every so manyth byte, beginning elsewhere in each. (At the decoder they are cut at every one.)
fn streams(step: usize) -> Vec<(Wire, String, Vec<u8>, Vec<usize>)> {
    let short = Wire::ALL.map(|wire| {
        let body = hostile::short(wire);
        let cuts = (0..body.len()).collect();
        (wire, format!("a short stream of {wire:?}"), body, cuts)
    });
    let goldens = goldens()
        .into_iter()
        .enumerate()
        .map(|(place, (wire, name, body))| {
            let cuts = (place % step..body.len()).step_by(step).collect();
            (wire, name, body, cuts)
        });
    short.into_iter().chain(goldens).collect()
}

/// Failures of the connection by their class alone: the client says what broke, the decoder that something did.
fn outline(mut steps: Vec<StreamEvent>) -> Vec<StreamEvent> {
    if let Some(StreamEvent::Failed(failure)) = steps.last_mut() {
        failure.message = "".into();
    }
    steps
}

#[tokio::test]
async fn whatever_arrived_before_the_connection_broke_is_all_that_counts_and_the_end_is_typed() {
    for (wire, name, body, cuts) in streams(23) {
        let (_, whole) = decoded(wire, &body);
        let replies = cuts.iter().map(|cut| {
            // Whether the end of the body can be told from its break must make no difference.
            let framing = [Framing::Chunked, Framing::UntilClose][cut % 2];
            Reply::stream(&body[..*cut]).framed(framing).cut()
        });
        let (_server, provider) = serving(wire, replies).await;
        let mut failed = 0;
        for cut in cuts {
            let steps = rest(Vec::new(), &mut provider.call(request(), 1)).await;
            let (_, expected) = decoded(wire, &body[..cut]);
            assert_eq!(outline(steps.clone()), outline(expected), "{name} cut at {cut}");
            let whole_calls = calls(&whole);
            assert!(
                calls(&steps).iter().all(|call| whole_calls.contains(call)),
                "{name} cut at {cut}: half a call"
            );
            failed += usize::from(matches!(steps.last(), Some(StreamEvent::Failed(_))));
        }
        assert!(failed > 0, "{name}: a cut is told");
    }
}

#[tokio::test]
async fn what_arrived_is_told_before_the_next_byte_comes() {
    for (wire, name, body, cuts) in streams(41) {
        let (_, whole) = decoded(wire, &body);
        let gate = Gate::default();
        let replies = cuts
            .iter()
            .map(|cut| Reply::stream(&body[..]).pausing_at(*cut, &gate));
        let (_server, provider) = serving(wire, replies).await;
        for cut in cuts {
            let mut call = provider.call(request(), 1);
            let (mut before, _) = decoded(wire, &body[..cut]);
            // The last step waits a moment for the end of the body, so that the connection can be used again.
            before.pop_if(|step| matches!(step, StreamEvent::Finished(_)));
            let mut steps = Vec::new();
            while steps.len() < before.len() {
                // Where something is held back, this waits for the gate, which waits for it.
                let step = tokio::time::timeout(std::time::Duration::from_secs(20), next(&mut call));
                let step = step
                    .await
                    .unwrap_or_else(|_| panic!("{name} at {cut}: held back after {steps:?}"));
                steps.push(step.unwrap());
            }
            assert_eq!(steps, before, "{name} at {cut}");
            gate.open();
            assert_eq!(rest(steps, &mut call).await, whole, "{name} paused at {cut}");
        }
    }
}
