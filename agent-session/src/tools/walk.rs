//! Walking a directory tree as `grep` and `find` see it: in order, hidden files included, what `.gitignore` and
//! `.ignore` files name left out, symlinks not followed.

use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};
use ignore::{Walk, WalkBuilder};

use super::failure::ToolFailure;

pub(crate) fn walk(root: &Path) -> Walk {
    WalkBuilder::new(root)
        .hidden(false)
        // A workspace need not be a repository for its .gitignore to be meant.
        .require_git(false)
        // What one person ignores on one machine is not the workspace's affair.
        .git_global(false)
        .follow_links(false)
        .filter_entry(|entry| entry.depth() == 0 || entry.file_name() != ".git")
        .sort_by_file_name(Ord::cmp)
        .build()
}

/// A glob that is matched against a path below the root, or, without a slash, against the name alone.
pub(crate) struct PathGlob {
    glob: GlobMatcher,
    whole_path: bool,
}

impl PathGlob {
    pub(crate) fn new(field: &str, pattern: &str) -> Result<Self, ToolFailure> {
        let whole_path = pattern.contains('/');
        let glob = GlobBuilder::new(pattern.trim_start_matches('/'))
            .literal_separator(true)
            .backslash_escape(true)
            .build()
            .map_err(|error| ToolFailure::Pattern {
                field: field.to_owned(),
                pattern: pattern.to_owned(),
                message: error.kind().to_string(),
            })?
            .compile_matcher();
        Ok(Self { glob, whole_path })
    }

    pub(crate) fn matches(&self, below_root: &Path) -> bool {
        if self.whole_path {
            self.glob.is_match(below_root)
        } else {
            below_root
                .file_name()
                .is_some_and(|name| self.glob.is_match(name))
        }
    }
}
