//! What is known of a model's dialect before its first byte.

use crate::dialect::Dialect;

/// Which dialect a model is expected to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expected {
    /// Nothing is known: the text tells.
    #[default]
    Any,
    /// This one, as its name lets suppose. The text tells all the same; where it fits several dialects, it is this one.
    Rather(Dialect),
    /// This one, as someone says who knows. What others write is text.
    Only(Dialect),
}

impl Expected {
    /// Whether this dialect is looked for.
    pub(crate) fn allows(self, dialect: Dialect) -> bool {
        match self {
            Self::Any | Self::Rather(_) => true,
            Self::Only(only) => only == dialect,
        }
    }

    /// Which of the dialects it is that a text fits, the likeliest first; `None` where it is none that is looked for.
    pub(crate) fn choose(self, fitting: &[Dialect]) -> Option<Dialect> {
        match self {
            Self::Rather(rather) if fitting.contains(&rather) => Some(rather),
            _ => fitting.iter().copied().find(|dialect| self.allows(*dialect)),
        }
    }
}
