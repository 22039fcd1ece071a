//! How much work it is to look for secrets, in bytes that are looked at. It is counted in tests only, where it must grow
//! as the text does.

#[cfg(test)]
thread_local! {
    static DONE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// So many bytes are looked at.
#[inline]
pub(super) fn count(bytes: usize) {
    #[cfg(test)]
    DONE.with(|done| done.set(done.get() + bytes));
    #[cfg(not(test))]
    let _ = bytes;
}

/// How much was done on this thread since this was asked.
#[cfg(test)]
pub(super) fn done() -> usize {
    DONE.with(std::cell::Cell::take)
}
