//! Families of models, by their ids.

use glasswork_dialects::Dialect;

/// What stands in the ids of a family, and what its models are trained to write. The first that fits counts, so what is
/// special stands before what is general.
const FAMILIES: &[(&str, Dialect)] = &[
    ("qwen3-coder", Dialect::QwenXml),
    ("qwen3.5", Dialect::QwenXml),
    ("xlam", Dialect::Xlam),
    ("nemotron", Dialect::Nemotron),
    ("hermes", Dialect::Hermes),
    ("deepseek-r1-distill-qwen", Dialect::Hermes),
    ("deepseek-v3.2", Dialect::DeepSeekDsml),
    ("deepseek-v3.1", Dialect::DeepSeekV31),
    ("deepseek", Dialect::DeepSeekV3),
    ("qwen", Dialect::Hermes),
    ("qwq", Dialect::Hermes),
    ("llama-4", Dialect::Llama4),
    ("llama4", Dialect::Llama4),
    ("llama", Dialect::Llama3),
    ("mixtral", Dialect::Mistral),
    ("codestral", Dialect::Mistral),
    ("devstral", Dialect::Mistral),
    ("magistral", Dialect::Mistral),
    ("ministral", Dialect::Mistral),
    ("pixtral", Dialect::Mistral),
    ("mistral", Dialect::Mistral),
    ("glm", Dialect::Glm),
    ("kimi", Dialect::KimiK2),
    ("minimax", Dialect::MiniMax),
    ("gpt-oss", Dialect::Harmony),
    ("granite-4", Dialect::Hermes),
    ("granite4", Dialect::Hermes),
    ("granite", Dialect::Granite),
    ("internlm", Dialect::InternLm),
    ("gemma", Dialect::Gemma),
    ("command-r", Dialect::CommandR),
    ("command-a", Dialect::CommandR),
    ("lfm2", Dialect::Lfm2),
    ("seed-oss", Dialect::SeedOss),
];

/// The dialect that a model of this id is likely to write.
pub(super) fn dialect(model: &str) -> Option<Dialect> {
    let model = model.to_ascii_lowercase();
    let family = FAMILIES.iter().find(|(part, _)| model.contains(part));
    family.map(|(_, dialect)| *dialect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_family_and_an_unknown_one_nothing() {
        let cases = [
            ("Qwen/Qwen3-Coder-30B-A3B-Instruct", Some(Dialect::QwenXml)),
            ("qwen2.5-coder:7b", Some(Dialect::Hermes)),
            ("NousResearch/Hermes-3-Llama-3.1-8B", Some(Dialect::Hermes)),
            ("meta-llama/Llama-4-Scout-17B-16E-Instruct", Some(Dialect::Llama4)),
            ("llama3.2", Some(Dialect::Llama3)),
            ("Salesforce/Llama-xLAM-2-8b-fc-r", Some(Dialect::Xlam)),
            (
                "nvidia/Llama-3_3-Nemotron-Super-49B-v1_5",
                Some(Dialect::Nemotron),
            ),
            ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", Some(Dialect::Hermes)),
            ("deepseek-ai/DeepSeek-V3.1", Some(Dialect::DeepSeekV31)),
            ("deepseek-chat", Some(Dialect::DeepSeekV3)),
            ("mistralai/Devstral-Small-2507", Some(Dialect::Mistral)),
            ("ibm-granite/granite-4.0-h-small", Some(Dialect::Hermes)),
            ("ibm-granite/granite-3.3-8b-instruct", Some(Dialect::Granite)),
            ("openai/gpt-oss-120b", Some(Dialect::Harmony)),
            ("my-own-model", None),
        ];
        for (model, expected) in cases {
            assert_eq!(dialect(model), expected, "{model}");
        }
        // What is special stands before what is general, else it would never be found.
        for (part, expected) in FAMILIES {
            assert_eq!(dialect(part), Some(*expected), "{part}");
        }
    }
}
