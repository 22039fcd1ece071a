//! The target that the property `arbitrary_bytes_never_panic` feeds too, under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    glasswork_dialects::recognise(bytes);
});
