//! The pure heart of an agent: conversation tree, turn and tool-call charts, context.
