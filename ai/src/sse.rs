//! Server-sent events: bytes in, events out.
//!
//! Follows the [WHATWG HTML standard, section 9.2](https://html.spec.whatwg.org/multipage/server-sent-events.html),
//! with two differences that a client of a model needs: an event has a cap in bytes, and what stands at the end of
//! the stream without its blank line can be had ([`Decoder::end`]), since some servers leave it out. `id` and `retry`
//! are passed over: a request to a model is never resumed.

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its type; empty where the server gave none (the standard then says `message`).
    pub event: String,
    /// Its data; several `data` lines are joined by line feeds.
    pub data: String,
}

/// An event is longer than the decoder may keep. The stream cannot be decoded further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server sent an event of more than {limit} bytes")]
pub struct EventTooLarge {
    /// The cap in bytes.
    pub limit: usize,
}

/// A decoder. Keeps at most one event and its cap.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    at_start: bool,
    /// A line feed that follows belongs to the carriage return before it.
    after_cr: bool,
    line: Vec<u8>,
    event: String,
    data: String,
    has_data: bool,
    too_large: bool,
}

const BOM: &[u8] = b"\xEF\xBB\xBF";

impl Decoder {
    /// A decoder that keeps at most `limit` bytes of an event.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            at_start: true,
            after_cr: false,
            line: Vec::new(),
            event: String::new(),
            data: String::new(),
            has_data: false,
            too_large: false,
        }
    }

    /// Takes bytes, cut anywhere, and appends the events that they complete.
    ///
    /// # Errors
    /// An event over the cap; from then on every call says so. Events before it are in `out`.
    pub fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<Event>) -> Result<(), EventTooLarge> {
        while !bytes.is_empty() && !self.too_large {
            if self.after_cr {
                self.after_cr = false;
                bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (text, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            if self.line.len() + self.event.len() + self.data.len() + text.len() > self.limit {
                self.too_large = true;
                self.clear();
                break;
            }
            self.line.extend_from_slice(text);
            bytes = rest;
            if let Some((end, rest)) = rest.split_first() {
                self.after_cr = *end == b'\r';
                bytes = rest;
                out.extend(self.end_line());
            }
        }
        if self.too_large {
            return Err(EventTooLarge { limit: self.limit });
        }
        Ok(())
    }

    /// The event that the stream ended in, with its unfinished line. Whoever takes it must check that it is whole.
    pub fn end(&mut self) -> Option<Event> {
        let last = self.end_line();
        last.or_else(|| self.end_line())
    }

    fn end_line(&mut self) -> Option<Event> {
        let bytes = std::mem::take(&mut self.line);
        let mut line = &*bytes;
        if self.at_start {
            self.at_start = false;
            line = line.strip_prefix(BOM).unwrap_or(line);
        }
        if line.is_empty() {
            let (event, data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
            return std::mem::take(&mut self.has_data).then_some(Event { event, data });
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (field, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = String::from_utf8_lossy(value.strip_prefix(b" ").unwrap_or(value));
        match field {
            b"event" => self.event = value.into_owned(),
            b"data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.has_data = true;
                self.data.push_str(&value);
            }
            _ => {}
        }
        None
    }

    fn clear(&mut self) {
        self.line = Vec::new();
        self.event = String::new();
        self.data = String::new();
        self.has_data = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 64;

    /// What a whole input gives: events as (type, data), and what is left at the end.
    fn decode<'a>(
        chunks: impl IntoIterator<Item = &'a [u8]>,
    ) -> (Vec<Event>, Option<EventTooLarge>, Option<Event>) {
        let mut decoder = Decoder::new(LIMIT);
        let mut events = Vec::new();
        let mut error = None;
        for chunk in chunks {
            error = decoder.feed(chunk, &mut events).err().or(error);
        }
        (events, error, decoder.end())
    }

    fn event(event: &str, data: &str) -> Event {
        Event {
            event: event.to_owned(),
            data: data.to_owned(),
        }
    }

    #[test]
    fn events_are_cut_out_of_bytes_by_the_standard() {
        let table: Vec<(&[u8], Vec<Event>, Option<Event>)> = vec![
            (b"data: a\n\n", vec![event("", "a")], None),
            (
                b"data: a\r\n\r\ndata: b\r\n\r\n",
                vec![event("", "a"), event("", "b")],
                None,
            ),
            (
                b"data: a\r\rdata: b\r\r",
                vec![event("", "a"), event("", "b")],
                None,
            ),
            (
                b"data: a\n\r\n\ndata: b\n\n",
                vec![event("", "a"), event("", "b")],
                None,
            ),
            (b"\xEF\xBB\xBFdata: a\n\n", vec![event("", "a")], None),
            // A mark of byte order counts only at the very start.
            (b"\n\xEF\xBB\xBFdata: a\n\n", vec![], None),
            (
                b": comment\n:\ndata:a\ndata:  b\ndata\n\n",
                vec![event("", "a\n b\n")],
                None,
            ),
            (
                b"event: x\ndata: 1\n\ndata: 2\n\n",
                vec![event("x", "1"), event("", "2")],
                None,
            ),
            // No data, no event; and its type is forgotten.
            (b"event: x\n\ndata: 2\n\n", vec![event("", "2")], None),
            (b"data\n\n", vec![event("", "")], None),
            (
                b"id: 1\nretry: 5\nfoo: bar\ndata : a\nxdata: b\ndata: c\n\n",
                vec![event("", "c")],
                None,
            ),
            (
                "data: h\u{e9}\u{1F980}\n\n".as_bytes(),
                vec![event("", "h\u{e9}\u{1F980}")],
                None,
            ),
            (b"data: \xFFa\n\n", vec![event("", "\u{FFFD}a")], None),
            (b"data: a\n", vec![], Some(event("", "a"))),
            (b"data: a\nda", vec![], Some(event("", "a"))),
            (b"data: [DONE]", vec![], Some(event("", "[DONE]"))),
            (b"event: x", vec![], None),
            (b"", vec![], None),
        ];
        for (bytes, events, rest) in table {
            let shown = String::from_utf8_lossy(bytes).into_owned();
            assert_eq!(decode([bytes]), (events.clone(), None, rest.clone()), "{shown:?}");
            assert_eq!(
                decode(bytes.chunks(1)),
                (events, None, rest),
                "{shown:?} byte by byte"
            );
        }
    }

    #[test]
    fn an_event_over_the_cap_is_an_error_and_the_end_of_the_stream() {
        let too_large = EventTooLarge { limit: LIMIT };
        let exact = format!("data: {}\n\n", "x".repeat(LIMIT - 6));
        assert_eq!(decode([exact.as_bytes()]).1, None);
        let in_a_line = format!("data: a\n\ndata: {}", "x".repeat(LIMIT));
        let in_many = format!("data: a\n\n{}", "data: x\n".repeat(LIMIT));
        let in_the_type = format!("data: a\n\nevent: {}\ndata: xx", "x".repeat(LIMIT - 7));
        for input in [in_a_line, in_many, in_the_type] {
            let (events, error, rest) =
                decode(input.as_bytes().chunks(3).chain([b"\n\ndata: b\n\n".as_slice()]));
            assert_eq!(
                (events, error, rest),
                (vec![event("", "a")], Some(too_large), None),
                "{input}"
            );
        }
    }

    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let piece = proptest::sample::select(vec![
            &b"data: "[..],
            b"data",
            b"event:",
            b":",
            b"\r",
            b"\n",
            b"\r\n",
            b"\n\n",
            BOM,
            b"\xF0\x9F\xA6\x80",
            b"\xE9",
            b"{\"a\": 1}",
        ]);
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_events(bytes in pieces(), cuts in proptest::collection::vec(0usize..200, 0..12)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(decode(chunks), decode([bytes.as_slice()]));
        }
    }
}
