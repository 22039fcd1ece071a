//! Where in a page of Markdown a text stands: in a fence, in inline code, in a quotation, or nowhere special.

/// What is known of the text so far.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// Only blanks since the last line feed.
    at_line_start: bool,
    quoted: bool,
    /// The fence that is open: its character, and how many of them.
    fence: Option<(u8, usize)>,
    /// The run of backticks or tildes that the text ends in.
    run: Option<Run>,
    /// The run that opened inline code on this line.
    inline: Option<usize>,
    last: u8,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    byte: u8,
    length: usize,
    at_line_start: bool,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            at_line_start: true,
            quoted: false,
            fence: None,
            run: None,
            inline: None,
            last: b'\n',
        }
    }
}

impl Page {
    /// Takes text without line feeds, backticks and tildes.
    pub(crate) fn plain(&mut self, text: &str) {
        let Some(first) = text.bytes().next() else { return };
        self.end_run(first);
        if self.at_line_start {
            let word = text.trim_start_matches([' ', '\t', '\r']);
            self.quoted |= word.starts_with('>');
            self.at_line_start = word.is_empty();
        }
        self.last = text.bytes().last().unwrap_or(first);
    }

    /// Takes one byte.
    pub(crate) fn byte(&mut self, byte: u8) {
        match byte {
            b'`' | b'~' => {
                match &mut self.run {
                    Some(run) if run.byte == byte => run.length += 1,
                    _ => {
                        self.end_run(byte);
                        self.run = Some(Run {
                            byte,
                            length: 1,
                            at_line_start: self.at_line_start,
                        });
                    }
                }
                self.at_line_start = false;
            }
            b'\n' => {
                self.end_run(byte);
                self.at_line_start = true;
                self.quoted = false;
                self.inline = None;
            }
            b' ' | b'\t' | b'\r' => self.end_run(byte),
            b'>' if self.at_line_start => {
                self.quoted = true;
                self.at_line_start = false;
            }
            _ => {
                self.end_run(byte);
                self.at_line_start = false;
            }
        }
        self.last = byte;
    }

    fn end_run(&mut self, next: u8) {
        let Some(run) = self.run.take() else { return };
        match self.fence {
            Some((byte, length)) => {
                let ends = run.byte == byte && run.length >= length && run.at_line_start;
                if ends && matches!(next, b'\n' | b'\r' | b' ') {
                    self.fence = None;
                }
            }
            None if run.length >= 3 && run.at_line_start => self.fence = Some((run.byte, run.length)),
            None if run.byte == b'`' => match self.inline {
                None => self.inline = Some(run.length),
                Some(length) if length == run.length => self.inline = None,
                Some(_) => {}
            },
            None => {}
        }
    }

    /// Whether what comes next is shown rather than said, and is no fence's first character.
    pub(crate) fn is_shown(&self) -> bool {
        let run_opens = self.run.is_some_and(|run| {
            run.at_line_start && run.length >= 3 || run.byte == b'`' && self.inline.is_none()
        });
        let run_closes = self
            .run
            .is_some_and(|run| self.inline == Some(run.length) && run.byte == b'`');
        let in_inline = (self.inline.is_some() && !run_closes) || (run_opens && self.fence.is_none());
        self.fence.is_some() || in_inline || self.quoted || matches!(self.last, b'"' | b'\'')
    }

    /// Whether a new line begins here, or did and only blanks came since.
    pub(crate) fn is_at_line_start(&self) -> bool {
        self.at_line_start && self.run.is_none()
    }
}
