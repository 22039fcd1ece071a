//! What is not written into the record: values that say nothing. Records from before there was such a value read the same.

/// Whether a number says nothing.
pub(crate) fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}
